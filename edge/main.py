"""The edge's command line: `branchloop edge …`, `branchloop evaluate …`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

import click

from branchloop import exits
from branchloop.errors import ConfigError, InputError, UsageError
from branchloop.kiosk import Kiosk
from branchloop.site import Site
from edge.configured import read_box, read_site

Value = TypeVar("Value")
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
_FILE = click.Path(path_type=Path)
_TWO = click.Tuple([_FILE, _FILE])
_RATE = click.FloatRange(min=0, min_open=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The box in a branch: cameras and sensors in, facts of the floor out."""


@cli.command()
@click.argument("config", type=_FILE)
def run(config: Path) -> None:
    """Run the box of the site CONFIG until it is stopped."""
    from edge.supervise import run_box

    run_box(config)


@cli.command(hidden=True)
@click.argument("config", type=_FILE)
def core(config: Path) -> None:
    """The process of the box that tracks, counts and sends; `run` supervises it."""
    from edge.pipeline import run_core

    run_core(config)


@cli.command(hidden=True)
@click.argument("config", type=_FILE)
@click.argument("kiosk")
def kiosk(config: Path, kiosk: str) -> None:
    """The process of one kiosk; `run` supervises it."""
    from edge.checkin.process import run_kiosk

    site, box = read_box(config)
    run_kiosk(config, site, box, _kiosk(site, kiosk))


@cli.command("kiosk-key")
@click.argument("config", type=_FILE)
@click.argument("kiosk")
@click.option("--certificate", "signed", type=_FILE, help="what the root signed: put beside the key")
@_JSON
def kiosk_key(config: Path, kiosk: str, signed: Path | None, as_json: bool) -> None:
    """Make KIOSK's sealing key and the request that the root signs; or put the certificate in its place."""
    from branchloop.sealing import fingerprint, raw_public, shown_fingerprint
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
@click.argument("config", type=_FILE)
@click.option("--kiosk", help="of this kiosk, which has an outbox of its own")
@_JSON
def outbox(config: Path, kiosk: str | None, as_json: bool) -> None:
    """How many messages the box has produced, and how many the hub has not confirmed yet."""
    from edge.send.outbox import Outbox

    site, box = read_box(config)
    path = config.parent / box.data_dir / (_kiosk(site, kiosk).id if kiosk else "") / "outbox.db"
    if not path.exists():
        raise InputError(f"{path} does not exist.", hint="This box has never run.")
    held = Outbox(path)
    try:
        figures = {"produced": held.produced, "waiting": held.depth, "epoch": held.epoch}
    finally:
        held.close()
    exits.report(figures, as_json=as_json)


@cli.command()
@click.argument("config", type=_FILE, required=False)
@_JSON
def doctor(config: Path | None, as_json: bool) -> None:
    """Say whether this machine can be the box of the site CONFIG."""
    from edge.doctor import examine

    findings = examine(read_site(config) if config else None, config)
    click.echo(
        json.dumps(findings) if as_json else "\n".join(f"{f['state']:>5}  {f['text']}" for f in findings)
    )
    if any(finding["state"] == "bad" for finding in findings):
        sys.exit(5)


@cli.command()
@click.argument("config", type=_FILE, required=False)
@click.option("--camera", "cameras", multiple=True, metavar="ID=VIDEO", help="clip of a camera; repeat it")
@click.option("--points", multiple=True, metavar="ID=CSV", help="calibration: x_px,y_px,x_m,y_m")
@click.option("--fps", multiple=True, metavar="ID=F", help="true frame rate where the header is wrong")
@click.option(
    "--offset", multiple=True, metavar="ID=S", help="where frame 0 lies on the first camera's clock"
)
@click.option("--bounds", metavar="X0,Y0,X1,Y1", help="the floor in metres, without CONFIG")
@click.option("--until", "until_s", type=float, metavar="S", help="stop at this time of the first camera")
@click.option("--detector", default=None, metavar="NAME|PATH", help="nanodet, or a model file")
@click.option("--input-size", default=None, metavar="WxH", help="input of a reshapeable model")
@click.option("--out", "out_dir", type=_FILE, required=True, help="folder for the results")
@_JSON
def replay(
    config: Path | None,
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
    from edge.replay import bare_site, open_reels, replay, site_of

    videos = {camera: Path(video) for camera, video in _pairs("--camera", cameras).items()}
    if not videos:
        raise UsageError("no clip is named.", hint="Give --camera ID=VIDEO, once per camera.")
    marks = {camera: Path(file) for camera, file in _pairs("--points", points).items()}
    site = read_site(config) if config else None
    reels = open_reels(videos, _numbers("--fps", fps), _numbers("--offset", offset), site)
    corner = (0.0, 0.0)
    if site is None:
        site, corner = bare_site(marks, reels, _bounds(bounds))
    else:
        site = site_of(site, list(videos), marks, reels)
    model = load_detector(
        detector or (site.box.detector if site.box else "nanodet"),
        score_floor=min(FAINT_SCORE, site.tracking.low_score),
        input_size=_size(input_size),
    )
    started_s = time.monotonic()
    figures = replay(site, reels, model, out_dir, origin_m=corner, until_s=until_s, progress=_progress)
    _progress(0, None)
    spent_s = time.monotonic() - started_s
    exits.report({**figures, "seconds": round(spent_s, 3), "out": str(out_dir)}, as_json=as_json)


@cli.command()
@click.argument("config", type=_FILE, required=False)
@click.option("--camera", "cameras", multiple=True, metavar="ID=VIDEO", help="clip of a camera; repeat it")
@click.option("--points", multiple=True, metavar="ID=CSV", help="calibration: x_px,y_px,x_m,y_m")
@click.option("--bounds", metavar="X0,Y0,X1,Y1", help="the floor in metres, without CONFIG")
@click.option("--backgrounds", type=_FILE, help="folder for each camera's own background as well")
@click.option("--detector", default=None, metavar="NAME|PATH", help="nanodet, or a model file")
@click.option("--out", type=_FILE, required=True, help="the picture: PNG, transparent where no camera looks")
@_JSON
def birdseye(
    config: Path | None,
    cameras: tuple[str, ...],
    points: tuple[str, ...],
    bounds: str | None,
    backgrounds: Path | None,
    detector: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Lay clips out on the plan from above, people removed, and say how well the cameras agree."""
    from edge.birdseye import birdseye
    from edge.perceive.backdrop import SCORE_FLOOR
    from edge.perceive.people import load_detector
    from edge.replay import bare_site, open_reels, site_of

    videos = {camera: Path(video) for camera, video in _pairs("--camera", cameras).items()}
    if not videos:
        raise UsageError("no clip is named.", hint="Give --camera ID=VIDEO, once per camera.")
    marks = {camera: Path(file) for camera, file in _pairs("--points", points).items()}
    site = read_site(config) if config else None
    reels = open_reels(videos, {}, {}, site)
    corner = (0.0, 0.0)
    if site is None:
        site, corner = bare_site(marks, reels, _bounds(bounds))
    else:
        site = site_of(site, list(videos), marks, reels)
    model = load_detector(detector or (site.box.detector if site.box else "nanodet"), score_floor=SCORE_FLOOR)
    figures = birdseye(site, reels, model, out, origin_m=corner, backgrounds=backgrounds, progress=_progress)
    _progress(0, None)
    exits.report(figures, as_json=as_json)


@cli.command()
@click.argument("config", type=_FILE)
@click.option("--tracks", type=_FILE, required=True, help="floor tracks: t_s,id,x_m,y_m")
@click.option("--out", "out_dir", type=_FILE, required=True, help="folder for the results")
@_JSON
def simulate(config: Path, tracks: Path, out_dir: Path, as_json: bool) -> None:
    """Count floor tracks on the site CONFIG."""
    from edge.simulate import simulate

    exits.report({**simulate(read_site(config), tracks, out_dir), "out": str(out_dir)}, as_json=as_json)


@cli.group()
def evaluate() -> None:
    """Measure results against ground truth."""


@evaluate.command()
@click.option("--tracks", type=_FILE, required=True, help="MOT file: frame,id,x,y,w,h,…")
@click.option("--truth", type=_FILE, required=True, help="MOT file of the truth")
@click.option("--fps", type=_RATE, help="frame rate, to say blocks in seconds")
@click.option("--block-s", type=_RATE, help="block of the bootstrap (s, frames without --fps)")
@_JSON
def people(tracks: Path, truth: Path, fps: float | None, block_s: float | None, as_json: bool) -> None:
    """Tracking: MOTA, IDF1, HOTA with 95 % intervals, over the frames that the truth spans."""
    from edge.evaluate import evaluate_people

    exits.report(evaluate_people(tracks, truth, fps, block_s), as_json=as_json)


@evaluate.command()
@click.option("--heat", type=_FILE, required=True, help="heat.npz of replay or simulate")
@click.option("--truth", type=_FILE, required=True, help="true floor places: t_s,id,x_m,y_m")
@click.option("--fps", type=_RATE, help="frame rate of a truth that counts frames")
@click.option("--block-s", type=_RATE, help="block of the bootstrap (s)")
@_JSON
def heat(heat: Path, truth: Path, fps: float | None, block_s: float | None, as_json: bool) -> None:
    """Heat: correlation, earth mover's distance and mass, with 95 % intervals."""
    from edge.evaluate import evaluate_heat

    exits.report(evaluate_heat(heat, truth, fps, block_s), as_json=as_json)


@evaluate.command()
@click.option("--counts", type=_FILE, required=True, help="events.ndjson, or CSV: t_s,line,direction")
@click.option(
    "--truth", type=_FILE, required=True, help="manual count: t_s,line,direction, or line,direction,count"
)
@click.option("--tolerance-s", type=_RATE, default=3.0, show_default=True, help="how late a hand may be")
@click.option(
    "--align-s", type=click.FloatRange(0, 600), default=0.0, show_default=True, help="most the clocks differ"
)
@click.option(
    "--claim", type=click.FloatRange(0, 1, min_open=True), default=0.05, show_default=True,
    help="error rate to prove",
)  # fmt: skip
@_JSON
def counts(
    counts: Path, truth: Path, tolerance_s: float, align_s: float, claim: float, as_json: bool
) -> None:
    """Crossings per line against a manual count, with 95 % intervals and how many would prove the claim."""
    from edge.evaluate_counts import evaluate_counts

    _tell(evaluate_counts(counts, truth, tolerance_s, align_s, claim), "lines", as_json=as_json)


@evaluate.command()
@click.option("--visits", type=_FILE, required=True, help="events.ndjson, or CSV: zone,start_s,dwell_s")
@click.option("--truth", type=_FILE, required=True, help="timed visits: zone,start_s,dwell_s (or end_s)")
@_JSON
def dwell(visits: Path, truth: Path, as_json: bool) -> None:
    """Visits and dwell per zone against timed visits, with 95 % intervals."""
    from edge.evaluate_counts import evaluate_dwell

    _tell(evaluate_dwell(visits, truth), "zones", as_json=as_json)


@evaluate.command()
@click.option("--pairs", type=_FILE, help="CSV: a,b,same (or LFW's name,n1,n2 and name,n1,name,n2)")
@click.option("--images", type=_FILE, required=True, help="folder that the pairs name pictures in")
@click.option("--identities", is_flag=True, help="one folder per person: all pairs, attempts and galleries")
@_JSON
def faces(pairs: Path | None, images: Path, identities: bool, as_json: bool) -> None:
    """Faces: TAR, FAR, FRR and EER of pairs; with --identities also per attempt and gallery."""
    from edge.evaluate_faces import evaluate_identities, evaluate_pairs

    if (pairs is None) != identities:
        raise UsageError("give either --pairs CSV or --identities.")
    if pairs is None:
        exits.report(evaluate_identities(images, _progress), as_json=as_json)
    else:
        exits.report(evaluate_pairs(pairs, images, _progress), as_json=as_json)


@evaluate.command()
@click.option("--manifest", type=_FILE, required=True, help="CSV: path,label,species[,actions]")
@click.option("--pad-model", "pad_models", type=_FILE, multiple=True, help="passive model (ONNX); repeat it")
@_JSON
def liveness(manifest: Path, pad_models: tuple[Path, ...], as_json: bool) -> None:
    """Presentation attacks: APCER by species and BPCER, in the form of ISO/IEC 30107-3."""
    from edge.evaluate_liveness import evaluate_liveness

    exits.report(evaluate_liveness(manifest, pad_models, _progress), as_json=as_json)


@cli.command(hidden=True)
@click.argument("config", type=_FILE)
@click.option("--people", type=_TWO, multiple=True, metavar="TRACKS TRUTH", help="MOT files")
@click.option("--heat", type=_TWO, multiple=True, metavar="HEAT TRUTH", help="heat.npz and t_s,id,x_m,y_m")
@click.option(
    "--counts", type=_TWO, multiple=True, metavar="COUNTS TRUTH", help="t_s,line,direction, or events.ndjson"
)
@click.option(
    "--dwell", type=_TWO, multiple=True, metavar="VISITS TRUTH", help="zone,start_s,dwell_s, or events.ndjson"
)
@click.option("--clip", "clips", type=_FILE, multiple=True, help="recording that it rests on; repeat it")
@click.option("--fps", type=_RATE, help="frame rate of truth that counts frames")
@click.option("--tolerance-s", type=_RATE, default=3.0, show_default=True, help="how late a hand may be")
@click.option(
    "--align-s", type=click.FloatRange(0, 600), default=0.0, show_default=True, help="most the clocks differ"
)
@click.option(
    "--limit", "limits", multiple=True, metavar="FIGURE=VALUE", help="such as counts.wrong_rate=0.03"
)
@click.option("--by", "measured_by", required=True, help="who measured")
@click.option("--note", help="a remark")
@click.option(
    "--expires-days", type=click.FloatRange(0, 3_660, min_open=True), default=365.0, show_default=True
)
@click.option("--key", "key_file", type=_FILE, required=True, help="acceptance.pem or root.pem")
@click.option("--out", type=_FILE, required=True, help="report.json; report.html is written beside it")
@_JSON
def acceptance(
    config: Path,
    people: tuple[tuple[Path, Path], ...],
    heat: tuple[tuple[Path, Path], ...],
    counts: tuple[tuple[Path, Path], ...],
    dwell: tuple[tuple[Path, Path], ...],
    clips: tuple[Path, ...],
    fps: float | None,
    tolerance_s: float,
    align_s: float,
    limits: tuple[str, ...],
    measured_by: str,
    note: str | None,
    expires_days: float,
    key_file: Path,
    out: Path,
    as_json: bool,
) -> None:
    """Measure the site CONFIG against its truth and sign the report: `branchloop acceptance make`."""
    from edge.acceptance import Measures, make

    measures = Measures(
        people, heat, counts, dwell, clips, fps, tolerance_s, align_s, _numbers("--limit", limits)
    )
    exits.report(
        make(
            config,
            measures,
            measured_by=measured_by,
            expires_days=expires_days,
            note=note,
            key_file=key_file,
            out=out,
        ),
        as_json=as_json,
    )


@cli.group()
def bench() -> None:
    """Measure speed against a baseline in the same run."""


@bench.command("edge")
@click.option("--clip", type=_FILE, help="a 720p stream (rendered from the sample clip without it)")
@click.option("--baseline", type=_FILE, help="YOLOX-nano as ONNX, the yardstick")
@click.option("--frames", default=200, show_default=True, help="analysed frames to measure")
@click.option("--stream-fps", default=5, show_default=True, help="rate at which the camera sends")
@_JSON
def bench_edge(clip: Path | None, baseline: Path | None, frames: int, stream_fps: int, as_json: bool) -> None:
    """720p cameras at 5 analysed fps per core, and the shares of decoder, gate and detector."""
    from edge.bench import bench_edge

    exits.report(bench_edge(clip, baseline, frames, stream_fps), as_json=as_json)


@bench.command("gate")
@click.option("--clip", type=_FILE, help="a clip of people (a stretch of the sample without it)")
@click.option("--truth", type=_FILE, help="its MOT file; the detector on every frame without it")
@click.option("--fps", type=_RATE, help="true frame rate where the header is wrong")
@click.option(
    "--analysed-fps", type=_RATE, default=5.0, show_default=True, help="frames a second shown to the gate"
)
@_JSON
def bench_gate(
    clip: Path | None, truth: Path | None, fps: float | None, analysed_fps: float, as_json: bool
) -> None:
    """Person-frames that the motion gate keeps, and how often it is open."""
    from edge.bench_gate import bench_gate

    exits.report(bench_gate(clip, truth, fps, analysed_fps), as_json=as_json)


@bench.command("checkin")
@click.option("--frames", default=60, show_default=True, help="frames to measure")
@_JSON
def bench_checkin(frames: int, as_json: bool) -> None:
    """Milliseconds of each stage of a face check-in, and from the first good frame to the decision."""
    from edge.bench_checkin import bench_checkin

    exits.report(bench_checkin(frames), as_json=as_json)


@bench.command("floor")
@click.option(
    "--cells", multiple=True, metavar="PATTERN", help="only these, such as 'pairs/5fps/*'; repeat it"
)
@click.option("--crossings", default=500, show_default=True, help="crossings asked for in each cell")
@click.option("--peer", metavar="PYTHON", help="an interpreter with trackers and supervision")
@click.option("--jobs", default=1, show_default=True, help="processes")
@click.option("--worst", default=10, show_default=True, help="how many cells to list")
@_JSON
def bench_floor(
    cells: tuple[str, ...], crossings: int, peer: str | None, jobs: int, worst: int, as_json: bool
) -> None:
    """Counting errors on a grid of simulated conditions, beside ByteTrack and LineZone."""
    from edge.bench_floor import bench_floor, grid, tell

    if min(crossings, jobs) < 1 or worst < 0:
        raise UsageError("--crossings and --jobs must be 1 or more, --worst 0 or more.")
    figures = bench_floor(grid(cells), crossings, peer, jobs, tell)
    if not as_json:
        for row in figures["rows"][:worst]:
            click.echo(json.dumps(row))
        figures = {key: value for key, value in figures.items() if key != "rows"}
    exits.report(figures, as_json=as_json)


def _kiosk(site: Site, kiosk: str) -> Kiosk:
    for part in site.kiosks:
        if part.id == kiosk:
            return part
    names = ", ".join(part.id for part in site.kiosks) or "none"
    raise ConfigError(f"{site.id} has no kiosk {kiosk[:40]!r}.", hint=f"It has: {names}.")


def _pairs(option: str, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not (key and equals and rest):
            raise UsageError(f"{option} {value!r} is not ID=VALUE.")
        if key in pairs:
            raise UsageError(f"{option} names {key!r} twice.")
        pairs[key] = rest
    return pairs


def _numbers(option: str, values: tuple[str, ...]) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in _pairs(option, values).items()}
    except ValueError as error:
        raise UsageError(f"{option} needs a number after the equals sign.") from error


def _bounds(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--bounds {text!r} is not X0,Y0,X1,Y1.") from error
    return x0, y0, x1, y1


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise UsageError(f"--input-size {text!r} is not WxH, such as 1024x768.") from error
    return width, height


def _tell(figures: dict[str, Any], parts: str, *, as_json: bool) -> None:
    """Print figures that have parts (lines, zones): for people, each part under its name."""
    if as_json:
        exits.report(figures, as_json=True)
        return
    exits.report({key: value for key, value in figures.items() if key != parts}, as_json=False)
    for name, part in figures[parts].items():
        click.echo(f"\n{name}")
        exits.report(part, as_json=False)


def _progress(done: int, total: int | None) -> None:
    if sys.stderr.isatty() and done % 20 == 0:
        of = f" of {total}" if total else ""
        sys.stderr.write(f"\r{done} frames{of} " if done else "\r\033[K")
        sys.stderr.flush()


if __name__ == "__main__":
    exits.run(cli, prog="branchloop edge")
