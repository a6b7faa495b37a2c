"""The floor over a stretch of time: person time by cell, and which way people walked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from branchloop.clock import bucket_start_ms, iso
from branchloop.site.site import Site
from hub.api import figures
from hub.api.models import figures as models
from hub.api.question import Question, quality
from hub.api.state import State
from hub.store.figures.reading import Reader

Layer = Literal["presence", "filled"]
FIGURES: Mapping[Layer, tuple[str, ...]] = {
    "presence": ("person_seconds",),
    "filled": ("filled_person_seconds",),
}


def heat(
    state: State, site: Site, from_: int, to: int, cell_m: float | None, layer: Layer = "presence"
) -> models.Heat:
    """Person·seconds per cell of one layer; integers until the last division."""
    asked = figures.snap(from_, to, figures.HEAT_DAYS)
    times = figures.factor(site.plan, cell_m)
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked)
        span = question.span
        filled = reader.heat(site, span, "filled")
        grid = filled if layer == "filled" else reader.heat(site, span)
        left_out = reader.heat_left_out(site, span, "filled" if layer == "filled" else "heat")
        sums = reader.sums(site, span)
        methods = reader.methods(site, span)
        level = figures.gap_level(span, reader.kept(site))
        from_ms = bucket_start_ms(span[0], level, site.zone_info)
        observed = reader.observed(site, (from_ms, span[1]), level)
        begun_ms = reader.evidence().first_ms(site.id)
        # Of a whole day nobody knows any more which part of it was open.
        missed = (
            {} if level == "day" else reader.evidence().cameras_missed(site.id, level, (from_ms, span[1]))
        )
        told = quality(reader, question, sums, FIGURES[layer])
    cells = np.zeros((site.plan.rows, site.plan.cols), np.int64)
    if grid is not None:
        cells = grid.reshape(cells.shape)
    cells = figures.coarse(cells, times)
    elsewhere = grid is None and left_out > 0  # all of it lies in cells that the plan no longer has
    measured = filled is not None if layer == "filled" else sums.observed_ms > 0 and not elsewhere
    gaps = figures.gaps(site, question.opening, question.now_ms, observed, level)
    return models.Heat(
        **told,
        layer=layer,
        cell_m=round(site.plan.cell_m * times, 9),
        rows=cells.shape[0],
        cols=cells.shape[1],
        x0_m=0.0,
        y0_m=0.0,
        unit="person·s",
        person_seconds=(cells / 1000).tolist(),
        total=int(cells.sum()) / 1000 if measured else None,
        max=int(cells.max(initial=0)) / 1000 if measured else None,
        filled_person_seconds=None if filled is None else int(filled.sum()) / 1000,
        open_coverage=sums.open_observed_ms / sums.open_expected_ms if sums.open_expected_ms else None,
        left_out_person_seconds=left_out / 1000,
        gaps=[models.Gap(from_=iso(start), to=iso(end)) for start, end in gaps],
        cameras_out=[
            models.CameraOut(camera=camera, seconds=out[0] / 1000, from_=iso(out[1][0]), to=iso(out[1][1]))
            for camera, by_bucket in missed.items()
            if (out := figures.missed(site, question.opening, by_bucket, level)) is not None
        ],
        begun=None if begun_ms is None else iso(begun_ms),
        method=methods,
        simulated=site.simulated,
    )


def flow(state: State, site: Site, from_: int, to: int) -> models.Flow:
    """Sums of steps by cell; integers until the last division."""
    asked = figures.snap(from_, to, figures.HEAT_DAYS)
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked)
        found = reader.flow(site, question.span)
        left_out_mm = reader.flow_left_out(site, question.span, None if found is None else found[0])
        sums = reader.sums(site, question.span)
        told = quality(reader, question, sums, ("person_seconds",))
    cell_mm, steps = found if found is not None else (None, np.zeros((3, 0, 0), np.int64))
    elsewhere = found is None and left_out_mm > 0
    measured = found is not None or (sums.observed_ms > 0 and not elsewhere)
    dx_m, dy_m, path_m = (steps / 1000).tolist()
    return models.Flow(
        **told,
        cell_m=None if cell_mm is None else cell_mm / 1000,
        rows=steps.shape[1],
        cols=steps.shape[2],
        x0_m=0.0,
        y0_m=0.0,
        unit="m",
        dx_m=dx_m,
        dy_m=dy_m,
        path_m=path_m,
        total_path_m=int(steps[2].sum()) / 1000 if measured else None,
        left_out_path_m=left_out_mm / 1000,
        simulated=site.simulated,
    )
