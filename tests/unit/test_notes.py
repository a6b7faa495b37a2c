"""What is drawn and set so that figures vanish in silence is noted, and nothing else is; no site is refused for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from branchloop.check import check
from branchloop.share import share
from branchloop.site.notes import notes
from branchloop.site.site import parse_site

TEMPLATE = share("configs/branch-template.toml").read_text(encoding="utf-8")
QUEUE = "[[2.0, 3.0], [7.0, 3.0], [7.0, 5.0], [2.0, 5.0]]"
STAFF = "[[1.0, 0.0], [8.0, 0.0], [8.0, 1.1], [1.0, 1.1]]"
SENSOR = """
[[sensor]]
id = "ceiling"
source = "udp:127.0.0.1:5905"
x_m = 2.0
y_m = 2.0
height_m = 3.0
range_m = 4.5
present_below_m = 2.4
"""


def noted(*changes: tuple[str, str], more: str = "") -> list[tuple[str, Mapping[str, str]]]:
    """Kinds and subjects of the template so changed, whose sentences can be said in both languages."""
    text = TEMPLATE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    found = notes(parse_site(text + more))
    for note in found:
        for language in ("en", "zh"):
            assert all(value in note.told(language) for value in note.of.values())
    return [(note.kind, note.of) for note in found]


@pytest.mark.parametrize("name", ["demo", "simulated", "load", "branch-template"])
def test_what_ships_gives_no_note(name: str) -> None:
    assert notes(parse_site(share(f"configs/{name}.toml").read_text(encoding="utf-8"))) == []


def test_queues_that_lose_floor_are_noted() -> None:
    """To what serves them, and to a queue of the same counters; not to what they touch, or what serves others."""
    over = (QUEUE, "[[2.0, 2.0], [7.0, 2.0], [7.0, 5.0], [2.0, 5.0]]")
    assert noted(over) == [("serving", {"queue": "queue", "other": "tellers", "shared_m2": "2.0"})]
    assert noted((QUEUE, "[[2.0, 2.4], [7.0, 2.4], [7.0, 5.0], [2.0, 5.0]]")) == []
    seats = (
        '[[zone]]\nid = "seats"\nkind = "queue"\npolygon = [[6.0, 3.0], [9.0, 3.0], [9.0, 5.0], [6.0, 5.0]]\n'
    )
    assert noted(more=seats) == [("queue", {"queue": "seats", "other": "queue", "shared_m2": "2.0"})]
    machine = '[[zone]]\nid = "atm"\nkind = "self-service"\npolygon = [[9.0, 1.0], [9.5, 1.0], [9.5, 2.0], [9.0, 2.0]]\n'
    assert noted(over, ('served_in = ["tellers"]', 'served_in = ["atm"]'), more=machine) == []


@pytest.mark.parametrize("kind", ["queue", "waiting", "counter", "desk", "self-service"])
def test_floor_of_customers_in_a_staff_zone_is_noted(kind: str) -> None:
    """Whoever stays there would be staff; one drawn edge to edge with it, or to a few millimetres, is not named."""
    more = (
        '[[zone]]\nid = "more"\nkind = "%s"\npolygon = [[9.0, {0}], [11.0, {0}], [11.0, 2.9], [9.0, 2.9]]\n'
    )
    wider = (STAFF, STAFF.replace("8.0", "11.0"))
    shared = ("staff", {"staff": "behind", "zone": "more", "shared_m2": "1.2"})
    assert noted(wider, more=(more % kind).format(0.5)) == [shared]
    for north in (1.1, 1.095, 1.3):
        assert noted(wider, more=(more % kind).format(north)) == []


def test_staff_zones_may_lie_in_what_counts_nobody_s_stay() -> None:
    more = '[[zone]]\nid = "hall"\nkind = "other"\npolygon = [[0.0, 0.0], [12.0, 0.0], [12.0, 9.0], [0.0, 9.0]]\n'
    assert noted(more=more) == []


def test_a_queue_that_nothing_serves_is_noted() -> None:
    """All its waits would be abandoned."""
    nothing = (('kind = "counter"', 'kind = "waiting"'), ('served_in = ["tellers"]\n', ""))
    assert noted(*nothing) == [("unserved", {"queue": "queue"})]
    assert noted(nothing[1]) == []


def test_lines_of_which_none_is_an_entrance_are_noted() -> None:
    assert noted(("entrance = true", "entrance = false")) == [("entrance", {})]
    head, _, rest = TEMPLATE.partition("[[line]]")
    assert notes(parse_site(head + rest[rest.index("[[zone]]") :])) == [], "who draws no line counts none"


def test_an_inside_off_the_plan_is_noted() -> None:
    inside = "inside = [6.0, 6.0]"
    found = noted((inside, "inside = [6.0, 9.5]"))
    assert found == [("inside", {"line": "door", "x_m": "6", "y_m": "9.5"})]
    assert [kind for kind, _ in noted((inside, "inside = [6.0, 9.0]"))] == ["outward"]


def test_an_entrance_that_leads_out_of_the_branch_is_noted() -> None:
    """By the floor that is drawn for customers, or by the plan where none is; a line that is no entrance leads anywhere."""
    outward = ("inside = [6.0, 6.0]", "inside = [6.0, 8.9]")
    told = [("outward", {"line": "door"})]
    assert noted(outward) == told
    assert noted(outward, ("entrance = true", "entrance = false")) == [("entrance", {})]
    head, _, rest = TEMPLATE.partition("[[zone]]")
    undrawn = head + rest[rest.index("[box]") :]
    assert notes(parse_site(undrawn)) == []
    assert [note.kind for note in notes(parse_site(undrawn.replace(*outward)))] == ["outward"]


def test_a_door_within_the_branch_leads_either_way() -> None:
    """Where customers stay on both sides of it nobody is told anything."""
    (door,) = parse_site(TEMPLATE).entrances
    lobby = '[[zone]]\nid = "lobby"\nkind = "self-service"\npolygon = [[1.0, 8.5], [9.0, 8.5], [9.0, 9.0], [1.0, 9.0]]\n'
    assert door.from_[1] == door.to[1] < 8.5
    for inside in ("[6.0, 6.0]", "[6.0, 8.9]"):
        assert noted(("inside = [6.0, 6.0]", f"inside = {inside}"), more=lobby) == []


@pytest.mark.parametrize(
    ("height_m", "range_m", "below_m", "noticed"),
    [
        (3.0, 4.5, 2.4, False),
        (3.0, 4.5, 3.0, True),
        (3.0, 4.5, 3.4, True),
        (3.0, 4.5, 2.95, True),  # whoever came once would stay
        (3.0, 2.5, 3.0, False),  # the floor is never heard
        (1.1, 4.5, 1.5, False),  # across a counter
    ],
)
def test_a_sensor_that_takes_the_floor_for_somebody_is_noted(
    height_m: float, range_m: float, below_m: float, noticed: bool
) -> None:
    more = SENSOR.replace("height_m = 3.0", f"height_m = {height_m}")
    more = more.replace("range_m = 4.5", f"range_m = {range_m}").replace(
        "below_m = 2.4", f"below_m = {below_m}"
    )
    expected = ("floor", {"sensor": "ceiling", "below_m": f"{below_m:g}", "height_m": f"{height_m:g}"})
    assert noted(more=more) == [expected] * noticed


def test_check_config_notes_what_is_hardly_meant_and_refuses_nothing(tmp_path: Path) -> None:
    """What worked before still does: the file is right, and the notes say what to mend."""
    file = tmp_path / "branch.toml"
    assert TEMPLATE.count("[2.0, 3.0], [7.0, 3.0]") == 1
    text = TEMPLATE.replace("[2.0, 3.0], [7.0, 3.0]", "[2.0, 1.0], [7.0, 1.0]")
    lens = "measured_on = 2999-01-01\nfocal_px = 900.0\ndistortion = [-0.8]"
    text = re.sub(r"measured_on = [-\d]+", lens, text).replace("entrance = true", "")
    file.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(check, [str(file)])
    assert (done.exit_code, done.stdout.count(": right;")) == (0, 1)
    for words in (
        "queue 'queue' and 'tellers', which serves it, share 6.0 m²",
        "staff zone 'behind' and 'queue' share 0.5 m²: whoever stays there counts as staff",
        "no line is an entrance: nothing counts visitors.",
        "camera 'hall': measured_on 2999-01-01 is still to come.",
        "camera 'hall': the distortion turns back on itself 387 px from",
    ):
        assert done.stderr.count(f": note: {words}") == 1
