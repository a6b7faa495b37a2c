"""What is checked in as documentation is what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from branchloop.cli import COMMANDS
from branchloop.site.site import Site
from branchloop.wire import topics
from branchloop.wire.batches import BODIES, Ack, Batch, Dropped, Item
from branchloop.wire.messages import (
    CameraWindow,
    Heat,
    Histogram,
    LineWindow,
    Live,
    Notice,
    SensorWindow,
    Window,
    ZoneWindow,
)
from branchloop.wire.schema import documents
from branchloop.wire.status import HubStatus, Status
from dashboard.config import DashboardFile
from edge.bench.cell_table import CellTable
from edge.bench.floor import FPS, grid
from hub.api.event_schema import text as event_schema_text
from hub.api.openapi import text as openapi_text
from hub.config.hub import HubFile
from hub.config.scenes import SceneTable

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_protocol_documents_are_up_to_date() -> None:
    """`python -m branchloop.wire.schema docs/protocol` changes nothing."""
    for name, text in documents().items():
        assert (ROOT / "docs/protocol" / name).read_text(encoding="utf-8") == text, name


def test_protocol_md_names_every_topic_and_every_kind_of_message() -> None:
    """Nothing is sent of which a reader of that page has not heard."""
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    assert [each for each in (*topics.KINDS, *BODIES) if f"`{each}`" not in page] == []


def test_the_api_description_is_up_to_date() -> None:
    """`python -m hub.api.openapi` prints what is checked in."""
    assert (ROOT / "docs/protocol/openapi.json").read_text(encoding="utf-8") == openapi_text()


def test_the_schema_of_events_is_up_to_date() -> None:
    """`python -m hub.api.event_schema` prints what is checked in."""
    assert (ROOT / "docs/protocol/event.schema.json").read_text(encoding="utf-8") == event_schema_text()


def test_the_api_description_lets_an_event_hold_keys_that_come_later() -> None:
    """As the schema of events does: a client made from it must bear them."""
    schemas = json.loads((ROOT / "docs/protocol/openapi.json").read_text(encoding="utf-8"))["components"][
        "schemas"
    ]
    told = {
        "id": "1",
        "type": "branchloop.journey.booked",
        "version": 1,
        "timestamp": "2026-11-27T01:02:03.000Z",
        "later": 1,
    }
    data = dict.fromkeys(("service", "channel", "scene", "partner", "customer", "appointment", "later"))
    page = {
        "items": [{**told, "data": {**data, "site": "north", "journey": "j-1", "detail": {}}}],
        "next": 1,
        "head": 1,
    }
    Draft202012Validator(
        {"$ref": "#/components/schemas/Events", "components": {"schemas": schemas}}
    ).validate(page)


def test_the_proxy_of_install_md_passes_what_customers_pages_ask_for() -> None:
    """The paths listed for it, and nothing else, are open to the world."""
    install = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"TLS proxy, which passes (.*?) on, and nothing else", install, re.DOTALL)
    passed = tuple(re.findall(r"`(/[a-z0-9/]+)`", listed))
    static = ROOT / "hub/api/static"
    pages = [
        static / "enrol.html",
        static / "enrol.js",
        ROOT / "hub/api/verify_page.py",
        *static.glob("cards/*.js"),
    ]
    asked = {
        path
        for page in pages
        for path in re.findall(
            r"[\"'`}](/(?:api/v1|static|cards)/[a-z0-9/.-]+)", page.read_text(encoding="utf-8")
        )
    }
    assert {"/static/enrol.js", "/api/v1/enrolments/", "/api/v1/card/"} <= asked
    assert {path for path in asked if not path.startswith(passed)} == set()


@pytest.mark.parametrize(
    ("schema", "payload"),
    [
        ("ack", Ack(epoch="0" * 32, upto=7)),
        ("live", Live(at_ms=1, dots_mm=[(1, 2)])),
        ("status", Status(online=True, boot="0" * 32, connect_no=1, at_ms=1)),
        ("hub-status", HubStatus(online=False, boot="0" * 32, at_ms=1)),
        ("dropped", Dropped(kind="window", count=3, first_ms=1, last_ms=2)),
        ("notice", Notice(id="n-1", what="crossing", at_ms=1, line="door", direction="in")),
        (
            "window",
            Window(
                start_ms=5_000,
                expected_ms=5_000,
                observed_ms=4_000,
                person_ms=9_000,
                cameras=[CameraWindow(camera="c", state="up", observed_ms=4_000, frames=35, analysed=9)],
                lines=[LineWindow(line="door", in_=1, out=0, confirmed=["n-1"])],
                zones=[
                    ZoneWindow(zone="queue", person_ms=1, entries=1, dwell=Histogram(count=1, bins={"3": 1}))
                ],
                sensors=[SensorWindow(sensor="s", state="down", observed_ms=0, readings=0, valid=0)],
                heat=Heat(cell_mm=250, rows=2, cols=2, cells=[0, 3], mps=[1, 2]),
            ),
        ),
        (
            "batch",
            Batch(
                epoch="0" * 32,
                boot="1" * 32,
                oldest=1,
                sent_ms=1,
                items=[Item(seq=1, kind="window", body={})],
            ),
        ),
    ],
)
def test_payloads_fit_their_schema(schema: str, payload: Any) -> None:
    """What we send is what the schema allows, and rubbish is not."""
    document = json.loads((ROOT / f"docs/protocol/{schema}.schema.json").read_text())
    Draft202012Validator.check_schema(document)
    assert Draft202012Validator(document).is_valid(json.loads(payload.to_json()))
    assert not Draft202012Validator(document).is_valid({"online": "perhaps", "epoch": 3})


def test_the_wire_documents_lead_only_to_what_exists() -> None:
    """Every reference in AsyncAPI resolves, every schema of a topic is checked in, and every topic is ours."""
    document = json.loads((ROOT / "docs/protocol/asyncapi.json").read_text(encoding="utf-8"))
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        if reference.startswith("#/"):
            found: Any = document
            for part in reference[2:].split("/"):
                found = found[part]
        else:
            assert (ROOT / "docs/protocol" / reference).is_file(), reference
    for name, channel in document["channels"].items():
        address = channel["address"].format(site="hall", device="box")
        assert address == topics.HUB_STATUS or topics.parse(address).kind == name


def test_the_api_description_is_typed() -> None:
    """Every answer has a schema, every route under a token says so, and every failure is a problem."""
    document = json.loads(openapi_text())
    for schema in document["components"]["schemas"]:
        assert schema.isalnum(), f"{schema}: two of this name, told apart by where they stand in the code"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            good = next(status for status in operation["responses"] if status.startswith("2"))
            content = operation["responses"][good]["content"]
            assert (
                path.endswith(
                    ("/stream", "/qr.svg", "/document.pdf", "/calendar.ics", "/background", "/birdseye")
                )
                or "$ref" in content["application/json"]["schema"]
            ), path
            if path == "/health":
                continue
            by_link = path.startswith(("/api/v1/enrolments/", "/api/v1/verify/"))
            scheme = "card" if path.startswith("/api/v1/card/") else "HTTPBearer"
            assert by_link or operation["security"] == [{scheme: []}]
            for status in ("404", "422", "429", "503") if by_link else ("401", "403", "404", "422", "503"):
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
            if "requestBody" in operation:
                assert {"411", "413"} <= set(operation["responses"]), path


def commands(group: click.Group, prefix: str) -> set[str]:
    found = {prefix}
    for name, command in group.commands.items():
        found |= (
            commands(command, f"{prefix} {name}")
            if isinstance(command, click.Group)
            else {f"{prefix} {name}"}
        )
    return found


def known_commands() -> set[str]:
    from dashboard.main import cli as dashboard_cli
    from edge.calibrate import cli as calibrate_cli
    from edge.main import cli as edge_cli
    from hub.main import cli as hub_cli

    known = {f"branchloop {name}" for name in COMMANDS}
    known |= commands(edge_cli, "branchloop edge") | commands(hub_cli, "branchloop hub")
    known |= commands(dashboard_cli, "branchloop dashboard") | commands(calibrate_cli, "branchloop calibrate")
    known |= {
        f"branchloop {c}" for c in ("bench edge", "bench gate", "bench checkin", "bench hub", "audit verify")
    }
    known |= {f"branchloop evaluate {c}" for c in ("people", "heat", "counts", "dwell", "faces", "liveness")}
    known |= {f"branchloop acceptance {c}" for c in ("make", "key", "verify", "page")}
    return known | {"branchloop broker-config mosquitto", "branchloop broker-config nats"}


def test_every_documented_command_exists() -> None:
    """A command named in the README or the docs can be run."""
    known = known_commands()
    for page in PAGES:
        for named in re.findall(r"`?(branchloop(?: [a-z][a-z-]+){1,2})", page.read_text(encoding="utf-8")):
            words = named.split()
            if words[1] not in COMMANDS:
                continue
            assert named in known or " ".join(words[:2]) in known, f"{page.name}: {named}"


def test_every_command_is_documented() -> None:
    """No command is a secret."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES) + (ROOT / "Makefile").read_text()
    for name in COMMANDS:
        assert f"branchloop {name}" in text, name


def keys(model: type[BaseModel]) -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        for part in [field.annotation, *getattr(field.annotation, "__args__", ())]:
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys(part)
    return found


def test_every_documented_key_exists() -> None:
    """TOML in the docs and keys like `box.outbox_max_mb` are keys of a configuration."""
    known = keys(Site) | keys(HubFile) | keys(DashboardFile) | keys(SceneTable)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
            assert flat(tomllib.loads(block)) <= known, page.name
        for key in re.findall(r"`(?:plan|box|hub|retention|tracking|camera|dashboard)\.([a-z_]+)`", text):
            assert key in {"toml", "db"} or key in known, f"{page.name}: {key}"


def flat(tree: dict[str, Any]) -> set[str]:
    found = set(tree)
    for value in tree.values():
        if isinstance(value, dict):
            found |= flat(value)
    return found


def test_links_in_the_docs_lead_somewhere() -> None:
    """Relative links of the README and docs exist."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_counting_grid_is_told_as_its_table_has_it() -> None:
    """docs/accuracy-counting.md sums docs/counting-grid.csv up by frame rate, and every row is a cell of the grid."""
    page = (ROOT / "docs/accuracy-counting.md").read_text(encoding="utf-8")
    table, known = CellTable(ROOT / "docs/counting-grid.csv"), 0
    for fps in FPS:
        cells = [cell.name for cell in grid() if cell.fps == fps]
        rows = [row for cell in cells if (row := table.counted(cell, 500))]
        asked, wrong = (
            sum(row[key] for row in rows for key in keys) for keys in (["asked"], ["missed", "extra"])
        )
        worst = [f"{max((row[key] for row in rows), default=0.0):.1%}" for key in ("error", "walker_error")]
        line = f"| {fps:g} | {len(rows)} of {len(cells)} | {asked:,} | {wrong} | {' | '.join(worst)} |"
        assert not rows or line in page, line
        known += len(rows)
    assert known == len((ROOT / "docs/counting-grid.csv").read_text(encoding="utf-8").splitlines()) - 1
