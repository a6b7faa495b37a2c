"""The edge's command line: `branchloop edge …`; what measures is in `edge.measuring`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from branchloop import exits
from branchloop.errors import ConfigError, UsageError
from branchloop.finite import Finite
from branchloop.site.kiosk import Kiosk
from branchloop.site.site import Site
from edge.configured import InForce, read_box, read_site
from edge.counted_by import IN_FORCE, counted_by
from edge.measuring import acceptance, bench, evaluate
from edge.options import FILE, JSON, progress, read_bounds, read_numbers, read_pairs, read_size

if TYPE_CHECKING:
    from edge.replay import Reel


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The box in a branch: cameras and sensors in, facts of the floor out."""


@cli.command()
@click.argument("config", type=FILE)
def run(config: Path) -> None:
    """Run the box of the site CONFIG until it is stopped."""
    from edge.supervise import run_box

    run_box(config)


@cli.command(hidden=True)
@click.argument("config", type=FILE)
def core(config: Path) -> None:
    """The process of the box that tracks, counts and sends; `run` supervises it."""
    from edge.core import run_core

    run_core(config)


@cli.command(hidden=True)
@click.argument("config", type=FILE)
@click.argument("kiosk")
def kiosk(config: Path, kiosk: str) -> None:
    """The process of one kiosk; `run` supervises it."""
    from edge.checkin.process import run_kiosk

    site, box = read_box(config)
    run_kiosk(config, site, box, _kiosk(site, kiosk))


@cli.command("service-needs", hidden=True)
@click.argument("config", type=FILE)
def service_needs(config: Path) -> None:
    """What the service of CONFIG reads, writes and listens on; `branchloop install-service` asks it."""
    from edge.service_needs import needs

    click.echo(needs(config).to_json())


@cli.command("kiosk-key")
@click.argument("config", type=FILE)
@click.argument("kiosk")
@click.option("--certificate", "signed", type=FILE, help="what the root signed: put beside the key")
@JSON
def kiosk_key(config: Path, kiosk: str, signed: Path | None, as_json: bool) -> None:
    """Make KIOSK's sealing key and the request that the root signs; or put the certificate in its place."""
    from branchloop.keys.sealing import fingerprint, raw_public, shown_fingerprint
    from edge.checkin.boxkey import REQUEST, box_key, put_certificate
    from edge.checkin.process import kiosk_folder

    site, box = read_box(config)
    part = _kiosk(site, kiosk)
    folder = kiosk_folder(config, box, part)
    key = box_key(folder, site.id, part.id)
    if signed is not None:
        put_certificate(folder, key, signed, part.root_public, time.time_ns() // 1_000_000)
    short = fingerprint(raw_public(key.public_key()))
    exits.report(
        {
            "request": str(folder / REQUEST), "fingerprint": short, "shown": shown_fingerprint(short),
            "certificate": "put in place" if signed is not None else "not given",
        },
        as_json=as_json,
    )  # fmt: skip


@cli.command()
@click.argument("config", type=FILE)
@click.option("--kiosk", help="of this kiosk, which has an outbox of its own")
@JSON
def outbox(config: Path, kiosk: str | None, as_json: bool) -> None:
    """How many messages the box has produced, and how many the hub has not confirmed yet."""
    from edge.send.glance import glance

    site, box = read_box(config)
    path = config.parent / box.data_dir / (_kiosk(site, kiosk).id if kiosk else "") / "outbox.db"
    exits.report(asdict(glance(path)), as_json=as_json)


@cli.command()
@click.argument("config", type=FILE, required=False)
@JSON
def doctor(config: Path | None, as_json: bool) -> None:
    """Say whether this machine can be the box of the site CONFIG, by the configuration in force."""
    from edge.doctor.box import configuration, examine

    if config is None:
        findings = examine(None, None)
    else:
        site, running = configuration(config)
        findings = [running, *examine(site, config)]
    click.echo(
        json.dumps(findings) if as_json else "\n".join(f"{f['state']:>5}  {f['text']}" for f in findings)
    )
    if any(finding["state"] == "bad" for finding in findings):
        sys.exit(5)


@cli.command()
@click.argument("config", type=FILE, required=False)
@IN_FORCE
@click.option("--camera", "cameras", multiple=True, metavar="ID=VIDEO", help="clip of a camera; repeat it")
@click.option("--points", multiple=True, metavar="ID=CSV", help="calibration: x_px,y_px,x_m,y_m")
@click.option("--fps", multiple=True, metavar="ID=F", help="true frame rate where the header is wrong")
@click.option(
    "--offset", multiple=True, metavar="ID=S", help="where frame 0 lies on the first camera's clock"
)
@click.option("--bounds", metavar="X0,Y0,X1,Y1", help="the floor in metres, without CONFIG")
@click.option("--until", "until_s", type=Finite(), metavar="S", help="stop at this time of the first camera")
@click.option("--detector", default=None, metavar="NAME|PATH", help="nanodet, or a model file")
@click.option("--input-size", default=None, metavar="WxH", help="input of a reshapeable model")
@click.option("--out", "out_dir", type=FILE, required=True, help="folder for the results")
@JSON
def replay(
    config: Path | None,
    by_box: bool,
    cameras: tuple[str, ...],
    points: tuple[str, ...],
    fps: tuple[str, ...],
    offset: tuple[str, ...],
    bounds: str | None,
    until_s: float | None,
    detector: str | None,
    input_size: str | None,
    out_dir: Path,
    as_json: bool,
) -> None:
    """Run clips through the edge, offline and deterministic."""
    from edge.perceive.people import FAINT_SCORE, load_detector
    from edge.provenance import made_with
    from edge.replay import replay

    site, reels, corner, running = _footage(
        config, by_box, cameras, points, bounds, read_numbers("--fps", fps), read_numbers("--offset", offset)
    )
    named = detector or site.detector
    model = load_detector(
        named,
        score_floor=min(FAINT_SCORE, site.tracking.low_score),
        input_size=read_size(input_size),
    )
    made = None
    if running is not None and not points:
        made = made_with(running, named, [reel.clip.path for reel in reels])
    started_s = time.monotonic()
    figures = replay(
        site, reels, model, out_dir, origin_m=corner, until_s=until_s, progress=progress, made=made
    )
    progress(0, None)
    spent_s = time.monotonic() - started_s
    by = running.figures() if running is not None and by_box else {}
    exits.report({**by, **figures, "seconds": round(spent_s, 3), "out": str(out_dir)}, as_json=as_json)


@cli.command()
@click.argument("config", type=FILE, required=False)
@IN_FORCE
@click.option("--camera", "cameras", multiple=True, metavar="ID=VIDEO", help="clip of a camera; repeat it")
@click.option("--points", multiple=True, metavar="ID=CSV", help="calibration: x_px,y_px,x_m,y_m")
@click.option("--bounds", metavar="X0,Y0,X1,Y1", help="the floor in metres, without CONFIG")
@click.option("--backgrounds", type=FILE, help="folder for each camera's own background as well")
@click.option("--detector", default=None, metavar="NAME|PATH", help="nanodet, or a model file")
@click.option("--out", type=FILE, required=True, help="the picture: PNG, transparent where no camera looks")
@JSON
def birdseye(
    config: Path | None,
    by_box: bool,
    cameras: tuple[str, ...],
    points: tuple[str, ...],
    bounds: str | None,
    backgrounds: Path | None,
    detector: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Lay clips out on the plan from above, people removed, and say how well the cameras agree."""
    from edge.birdseye import birdseye as lay_out
    from edge.perceive.backdrop import SCORE_FLOOR
    from edge.perceive.people import load_detector

    site, reels, corner, _ = _footage(config, by_box, cameras, points, bounds, {}, {})
    model = load_detector(detector or site.detector, score_floor=SCORE_FLOOR)
    read = (
        config,
        *map(Path, read_pairs("--points", points).values()),
        *([Path(detector)] if detector else ()),
    )
    figures = lay_out(
        site,
        reels,
        model,
        out,
        origin_m=corner,
        backgrounds=backgrounds,
        inputs=[path for path in read if path is not None],
        progress=progress,
    )
    progress(0, None)
    exits.report(figures, as_json=as_json)


@cli.command()
@click.argument("config", type=FILE)
@click.option("--tracks", type=FILE, required=True, help="floor tracks: t_s,id,x_m,y_m")
@click.option("--out", "out_dir", type=FILE, required=True, help="folder for the results")
@JSON
def simulate(config: Path, tracks: Path, out_dir: Path, as_json: bool) -> None:
    """Count floor tracks on the site CONFIG."""
    from edge.simulate import simulate

    exits.report({**simulate(read_site(config), tracks, out_dir), "out": str(out_dir)}, as_json=as_json)


def _footage(
    config: Path | None, by_box: bool, cameras: tuple[str, ...], points: tuple[str, ...], bounds: str | None,
    fps: Mapping[str, float], offsets_s: Mapping[str, float],
) -> tuple[Site, list[Reel], tuple[float, float], InForce | None]:  # fmt: skip
    """The site that clips are run through, the clips, where its plan's corner lies in the user's metres, and by what."""
    from edge.replay import bare_site, open_reels, site_of

    videos = {camera: Path(video) for camera, video in read_pairs("--camera", cameras).items()}
    if not videos:
        raise UsageError("no clip is named.", hint="Give --camera ID=VIDEO, once per camera.")
    if config is not None and bounds is not None:
        raise UsageError(
            "--bounds goes without CONFIG, whose plan says how large the floor is.",
            hint="Leave one of them out.",
        )
    if config is None and by_box:
        raise UsageError("--in-force needs CONFIG.", hint="Name the site file of the box.")
    marks = {camera: Path(file) for camera, file in read_pairs("--points", points).items()}
    running = counted_by(config, by_box=by_box) if config else None
    site = running.site if running else None
    reels = open_reels(videos, fps, offsets_s, site)
    if site is None:
        site, corner = bare_site(marks, reels, read_bounds(bounds))
        return site, reels, corner, None
    return site_of(site, list(videos), marks, reels), reels, (0.0, 0.0), running


def _kiosk(site: Site, kiosk: str) -> Kiosk:
    for part in site.kiosks:
        if part.id == kiosk:
            return part
    names = ", ".join(part.id for part in site.kiosks) or "none"
    raise ConfigError(f"{site.id} has no kiosk {kiosk[:40]!r}.", hint=f"It has: {names}.")


for measuring in (evaluate, acceptance, bench):
    cli.add_command(measuring)


if __name__ == "__main__":
    exits.run(cli, prog="branchloop edge")
