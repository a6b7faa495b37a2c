"""The boxes' side of `branchloop load`, which starts it as `python -m edge.load.main`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from branchloop import exits
from branchloop.errors import InputError
from branchloop.finite import Finite
from branchloop.processes import stop_event
from branchloop.site.box import Box, Tls
from edge.load.fleet import Fleet, Stage, climb
from edge.send.boxlink import BoxLink

SETTLE_S = 6.0
"""Until every box has sent its first batch, and the hub has made its rows."""


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--branches", type=click.IntRange(min=1), required=True)
@click.option("--seconds", type=Finite(min=1), required=True)
@click.option("--find", is_flag=True)
def main(plan: Path, branches: int, seconds: float, find: bool) -> None:
    """Be the boxes of PLAN: a broker, its certificate, and each box's site, id and credential."""
    told = _read(plan)
    links = [_link(told, box, plan.parent) for box in told["boxes"][:branches]]
    stop = stop_event()
    fleet = Fleet(links, told.get("pids", {}), stop)
    stages: list[Stage] = []

    def carries(count: int) -> bool:
        stage = fleet.speak(count, seconds, SETTLE_S)
        stages.append(stage)
        figures = stage.figures()
        _say(
            f"{count} branches: {figures['acknowledged_per_s']:g} messages/s acknowledged, "
            f"p99 {figures.get('ack_p99_s', 'unknown')} s, "
            f"{'kept up' if figures['kept_up'] else 'did not keep up'}"
        )
        kept = bool(figures["kept_up"]) and not stop.is_set()
        if not kept and find:
            fleet.rest()
        return kept

    try:
        _say(
            f"connecting {len(links)} boxes"
            if not find
            else f"looking for the highest number, up to {len(links)}"
        )
        carried = climb(len(links), carries) if find else None
        if not find:
            carries(len(links))
        left = fleet.rest()
    finally:
        fleet.close()
    click.echo(
        json.dumps({
            **({"branches_carried": carried} if find else {}),
            "stages": [stage.figures() for stage in stages],
            "produced": {f"{box.link.site}/{box.link.device}": box.produced for box in fleet.boxes},
            "unacknowledged": left,
        })
    )  # fmt: skip


def _read(plan: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(plan.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{plan} is no plan of a load: {error}.", hint="`branchloop load` writes it."
        ) from error
    return told


def _link(told: dict[str, Any], box: dict[str, str], base: Path) -> BoxLink:
    tls = Tls(ca_file=told["ca_file"]) if told.get("ca_file") else None
    named = Box(
        id=box["device"],
        broker=told["broker"],
        data_dir="unused",
        credential_file=box["credential_file"],
        tls=tls,
    )
    return BoxLink.of(box["site"], named, base)


def _say(text: str) -> None:
    sys.stderr.write(f"load: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    exits.run(main, prog="branchloop load")
