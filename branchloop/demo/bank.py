"""What the bank of the demo does by its own commands: tokens, the kiosk's key, a partner's page, earlier days."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from branchloop.demo import partner as demopartner
from branchloop.demo.files import KIOSK, SIMULATED, SITE, Files, run
from branchloop.share import share


def sign_kiosk(files: Files) -> None:
    """The key ceremony in short: the kiosk's request, the root's signature, the certificate in its place."""
    command = ("kiosk-key", str(files.box), KIOSK)
    request = run(files, "edge.main", *command, "--json")["request"]
    signed = files.root / "root" / "kiosk-1.certificate.json"
    root = str(files.root / "root" / "root.pem")
    subprocess.run(
        [sys.executable, "-m", "branchloop.keys.root", "sign", root, request, "--out", str(signed)],
        check=True, capture_output=True,
    )  # fmt: skip
    run(files, "edge.main", *command, "--certificate", str(signed), "--json")


def tokens_of(files: Files) -> dict[str, str]:
    """A head office token for the pages, and two that see the demo branch alone."""
    of_the_branch = ["--site", SITE]
    wanted: tuple[tuple[str, list[str]], ...] = (
        ("head_office", []),
        ("manager", of_the_branch),
        ("staff", of_the_branch),
    )
    return {
        role: run(
            files, "hub.main", "token", str(files.hub), f"demo-{role}", "--role", role, *scope, "--json"
        )["token"]
        for role, scope in wanted
    }


def pages_token(files: Files) -> str:
    """What the pages show is what a manager of both branches may see."""
    scope = ["--site", SITE, "--site", SIMULATED]
    arguments = ["demo-pages", "--role", "manager", *scope, "--json"]
    return str(run(files, "hub.main", "token", str(files.hub), *arguments)["token"])


def partner_page(files: Files, api: str) -> str:
    """Write the partner's page with its token; where it is."""
    text = files.hub.read_text(encoding="utf-8").partition('origins = ["')[2]
    origin = text.partition('"')[0]
    command = ("embed", str(files.hub), demopartner.PARTNER, "--origin", origin, "--site", SITE)
    made = run(files, "hub.main", *command, "--scene", demopartner.SCENE, "--json")
    demopartner.write_page(files.partner, api, str(made["token"]))
    return origin


def import_history(files: Files, say: Any) -> None:
    history = share("sample_history") / "river-street.ndjson.xz"
    begun_s = time.monotonic()
    arguments = ["--site", SIMULATED, "--device", "simulator", "--shift-to-today", "--json"]
    imported = run(files, "hub.main", "import", str(files.hub), str(history), *arguments)
    say("history", f"{imported['stored']} simulated windows in {time.monotonic() - begun_s:.1f} s")
