"""The edge's commands that measure: `branchloop evaluate …`, `branchloop bench …`, `branchloop acceptance make`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from branchloop import exits
from branchloop.errors import UsageError
from branchloop.finite import Finite
from edge.options import FILE, JSON, RATE, progress, read_numbers

_WATCHED = click.option(
    "--line", "watched", multiple=True, metavar="ID",
    help="a line that was watched though nobody crossed it; repeat it",
)  # fmt: skip


def _number(_: click.Context, option: click.Parameter, value: float) -> float:
    """A value that is one: NaN lies in every range."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number.", param=option)
    return value


_TOLERANCE = click.option(
    "--tolerance-s", type=Finite(0, 10, min_open=True), default=3.0, show_default=True,
    callback=_number, help="how late a hand may be; a wide one matches strangers",
)  # fmt: skip
_TWO = click.Tuple([FILE, FILE])


@click.group()
def evaluate() -> None:
    """Measure results against ground truth."""


@evaluate.command()
@click.option("--tracks", type=FILE, required=True, help="MOT file: frame,id,x,y,w,h,…")
@click.option("--truth", type=FILE, required=True, help="MOT file of the truth")
@click.option("--fps", type=RATE, help="frame rate, to say blocks in seconds")
@click.option("--block-s", type=RATE, help="block of the bootstrap (s, frames without --fps)")
@JSON
def people(tracks: Path, truth: Path, fps: float | None, block_s: float | None, as_json: bool) -> None:
    """Tracking: MOTA, IDF1, HOTA with 95 % intervals, over the frames that the truth spans."""
    from edge.evaluate.people import evaluate_people

    figures = evaluate_people(tracks, truth, fps, block_s)
    exits.report(figures, as_json=as_json)
    if figures["every"] != 1:
        click.echo(
            f"note: {figures['frames']} frames of {truth} are labelled and judged; those between are in no figure.",
            err=True,
        )
    if figures["without_truth_many"]:
        first, last = figures["without_truth_longest"]
        click.echo(
            f"warning: {figures['without_truth']} frames without truth have tracks and are judged as empty, the longest stretch "
            f"{first} to {last}; if nobody labelled these, cut the truth there and measure the parts.",
            err=True,
        )


@evaluate.command()
@click.option("--heat", type=FILE, required=True, help="heat.npz of replay or simulate")
@click.option("--truth", type=FILE, required=True, help="true floor places: t_s,id,x_m,y_m")
@click.option("--fps", type=RATE, help="frame rate of a truth that counts frames")
@click.option("--block-s", type=RATE, help="block of the bootstrap (s)")
@JSON
def heat(heat: Path, truth: Path, fps: float | None, block_s: float | None, as_json: bool) -> None:
    """Heat: correlation, earth mover's distance and mass, with 95 % intervals."""
    from edge.evaluate.people import evaluate_heat

    figures = evaluate_heat(heat, truth, fps, block_s)
    exits.report(figures, as_json=as_json)
    if figures["places_outside"]:
        click.echo(
            f"warning: {figures['places_outside']} places of {truth} lie outside the recording and are in no figure.",
            err=True,
        )


@evaluate.command()
@click.option("--counts", type=FILE, required=True, help="events.ndjson, or CSV: t_s,line,direction")
@click.option(
    "--truth", type=FILE, required=True, help="manual count: t_s,line,direction, or line,direction,count"
)
@_TOLERANCE
@click.option("--align-s", type=Finite(0, 600), default=0.0, show_default=True, help="most the clocks differ")
@click.option(
    "--claim", type=Finite(0, 1, min_open=True), default=0.05, show_default=True,
    help="error rate to prove",
)  # fmt: skip
@_WATCHED
@JSON
def counts(
    counts: Path,
    truth: Path,
    tolerance_s: float,
    align_s: float,
    claim: float,
    watched: tuple[str, ...],
    as_json: bool,
) -> None:
    """Crossings per line against a manual count, with 95 % intervals and how many would prove the claim."""
    from edge.evaluate.counts import evaluate_counts

    figures = evaluate_counts(counts, truth, tolerance_s, align_s, claim, watched)
    _tell(figures, "lines", as_json=as_json)
    for line in figures["lines_left_out"]:
        click.echo(
            f"note: line {line} was not counted by hand and is in no figure; --line {line} says that nobody crossed it.",
            err=True,
        )


@evaluate.command()
@click.option("--visits", type=FILE, required=True, help="events.ndjson, or CSV: zone,start_s,dwell_s")
@click.option("--truth", type=FILE, required=True, help="timed visits: zone,start_s,dwell_s (or end_s)")
@JSON
def dwell(visits: Path, truth: Path, as_json: bool) -> None:
    """Visits and dwell per zone against timed visits, with 95 % intervals."""
    from edge.evaluate.counts import evaluate_dwell

    figures = evaluate_dwell(visits, truth)
    _tell(figures, "zones", as_json=as_json)
    for zone in figures["zones_left_out"]:
        click.echo(f"note: nobody timed a visit of zone {zone}; it is in no figure.", err=True)


@evaluate.command()
@click.option("--pairs", type=FILE, help="CSV: a,b,same (or LFW's name,n1,n2 and name,n1,name,n2)")
@click.option("--images", type=FILE, required=True, help="folder that the pairs name pictures in")
@click.option("--identities", is_flag=True, help="one folder per person: all pairs, attempts and galleries")
@JSON
def faces(pairs: Path | None, images: Path, identities: bool, as_json: bool) -> None:
    """Faces: TAR, FAR, FRR and EER of pairs; with --identities also per attempt and gallery."""
    from edge.evaluate.faces import evaluate_identities, evaluate_pairs

    if (pairs is None) != identities:
        raise UsageError("give either --pairs CSV or --identities.")
    if pairs is None:
        exits.report(evaluate_identities(images, progress), as_json=as_json)
    else:
        exits.report(evaluate_pairs(pairs, images, progress), as_json=as_json)


@evaluate.command()
@click.option("--manifest", type=FILE, required=True, help="CSV: path,label,species[,actions]")
@click.option("--pad-model", "pad_models", type=FILE, multiple=True, help="passive model (ONNX); repeat it")
@JSON
def liveness(manifest: Path, pad_models: tuple[Path, ...], as_json: bool) -> None:
    """Presentation attacks: APCER by species and BPCER, in the form of ISO/IEC 30107-3."""
    from edge.evaluate.liveness import evaluate_liveness

    exits.report(evaluate_liveness(manifest, pad_models, progress), as_json=as_json)


@click.command(hidden=True)
@click.argument("config", type=FILE)
@click.option("--people", type=_TWO, multiple=True, metavar="TRACKS TRUTH", help="MOT files")
@click.option("--heat", type=_TWO, multiple=True, metavar="HEAT TRUTH", help="heat.npz and t_s,id,x_m,y_m")
@click.option(
    "--counts", type=_TWO, multiple=True, metavar="COUNTS TRUTH", help="t_s,line,direction, or events.ndjson"
)
@click.option(
    "--dwell", type=_TWO, multiple=True, metavar="VISITS TRUTH", help="zone,start_s,dwell_s, or events.ndjson"
)
@click.option("--clip", "clips", type=FILE, multiple=True, help="recording that it rests on; repeat it")
@click.option("--fps", type=RATE, help="frame rate of truth that counts frames")
@_TOLERANCE
@click.option("--align-s", type=Finite(0, 600), default=0.0, show_default=True, help="most the clocks differ")
@_WATCHED
@click.option(
    "--limit", "limits", multiple=True, metavar="FIGURE=VALUE", help="such as counts.wrong_rate=0.03"
)
@click.option("--by", "measured_by", required=True, help="who measured")
@click.option("--note", help="a remark")
@click.option("--expires-days", type=Finite(0, 3_660, min_open=True), default=365.0, show_default=True)
@click.option("--key", "key_file", type=FILE, required=True, help="acceptance.pem or root.pem")
@click.option("--out", type=FILE, required=True, help="report.json; report.html is written beside it")
@JSON
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
    watched: tuple[str, ...],
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
        people,
        heat,
        counts,
        dwell,
        clips,
        fps,
        tolerance_s,
        align_s,
        watched,
        read_numbers("--limit", limits),
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


@click.group()
def bench() -> None:
    """Measure speed against a baseline in the same run."""


@bench.command("edge")
@click.option("--clip", type=FILE, help="a 720p stream (rendered from the sample clip without it)")
@click.option("--baseline", type=FILE, help="YOLOX-nano as ONNX, the yardstick")
@click.option("--frames", default=200, show_default=True, help="analysed frames to measure")
@click.option("--stream-fps", default=5, show_default=True, help="rate at which the camera sends")
@JSON
def bench_edge(clip: Path | None, baseline: Path | None, frames: int, stream_fps: int, as_json: bool) -> None:
    """720p cameras at 5 analysed fps per core, and the shares of decoder, gate and detector."""
    from edge.bench.cameras import bench_edge

    exits.report(bench_edge(clip, baseline, frames, stream_fps), as_json=as_json)


@bench.command("gate")
@click.option("--clip", type=FILE, help="a clip of people (a stretch of the sample without it)")
@click.option("--truth", type=FILE, help="its MOT file; the detector on every frame without it")
@click.option("--fps", type=RATE, help="true frame rate where the header is wrong")
@click.option(
    "--analysed-fps", type=RATE, default=5.0, show_default=True, help="frames a second shown to the gate"
)
@JSON
def bench_gate(
    clip: Path | None, truth: Path | None, fps: float | None, analysed_fps: float, as_json: bool
) -> None:
    """Person-frames that the motion gate keeps, and how often it is open."""
    from edge.bench.gate import bench_gate

    exits.report(bench_gate(clip, truth, fps, analysed_fps), as_json=as_json)


@bench.command("checkin")
@click.option("--frames", default=60, show_default=True, help="frames to measure")
@JSON
def bench_checkin(frames: int, as_json: bool) -> None:
    """Milliseconds of each stage of a face check-in, and from the first good frame to the decision."""
    from edge.bench.checkin import bench_checkin

    exits.report(bench_checkin(frames), as_json=as_json)


@bench.command("floor")
@click.option(
    "--cells", multiple=True, metavar="PATTERN", help="only these, such as 'pairs/5fps/*'; repeat it"
)
@click.option("--crossings", default=500, show_default=True, help="crossings asked for in each cell")
@click.option("--peer", metavar="PYTHON", help="an interpreter with trackers and supervision")
@click.option("--jobs", default=1, show_default=True, help="processes")
@click.option("--worst", default=10, show_default=True, help="how many cells to list")
@click.option(
    "--table", type=FILE, help="a CSV of cells: those in it are not counted again, all others are added"
)
@JSON
def bench_floor(
    cells: tuple[str, ...],
    crossings: int,
    peer: str | None,
    jobs: int,
    worst: int,
    table: Path | None,
    as_json: bool,
) -> None:
    """Counting errors on a grid of simulated conditions, beside ByteTrack and LineZone.

    The whole grid takes many hours; with --table it may be ended and begun again, and nothing that was counted is lost.
    """
    from edge.bench.cell_table import CellTable
    from edge.bench.floor import bench_floor, grid, tell

    if min(crossings, jobs) < 1 or worst < 0:
        raise UsageError("--crossings and --jobs must be 1 or more, --worst 0 or more.")
    if table and peer:
        raise UsageError("a --table holds our counts alone.", hint="Leave out --table or --peer.")
    figures = bench_floor(grid(cells), crossings, peer, jobs, tell, CellTable(table) if table else None)
    if not as_json:
        for row in figures["rows"][:worst]:
            click.echo(json.dumps(row))
        figures = {key: value for key, value in figures.items() if key != "rows"}
    exits.report(figures, as_json=as_json)


def _tell(figures: dict[str, Any], parts: str, *, as_json: bool) -> None:
    """Print figures that have parts (lines, zones): for people, each part under its name."""
    if as_json:
        exits.report(figures, as_json=True)
        return
    exits.report({key: value for key, value in figures.items() if key != parts}, as_json=False)
    for name, part in figures[parts].items():
        click.echo(f"\n{name}")
        exits.report(part, as_json=False)
