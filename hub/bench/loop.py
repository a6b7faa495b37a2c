"""`branchloop bench loop`: the wait forecast beside an informed oracle and the naive estimate, simulated."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import click
import numpy as np

from branchloop import exits
from hub.bench import crowding as bench_crowding
from hub.bench.line import compare
from hub.loop.forecast import Running, courses_s, forecast, learn
from hub.loop.mixed_simulation import SCENES
from hub.loop.queue_simulation import TRUE, day, seen_by

PAST_DAYS = 28
HELD_OUT = 1_000_000
"""Seeds from here on are of days that nothing was tuned or taught with."""
ORACLE_PATHS = 4000
PLANNED_S = (300.0, 900.0)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one number of counters; errors are mean absolute ones in seconds."""

    counters: int
    waits: int
    forecast_s: float
    oracle_s: float
    naive_s: float
    """Tickets ahead x mean / open counters."""
    board_s: float
    """(Tickets ahead + 1) x mean / open counters: what `branchloop.waiting` tells."""
    covered: float
    oracle_covered: float


def measure(counters: int, days: int, seed: int = HELD_OUT) -> Figures:
    """Forecast every visit that found no free counter. Raises ValueError when a day had none."""
    past = [visit for each in range(PAST_DAYS) for visit in day(counters, counters * 1000 + each)]
    lengths = [
        [v.served_s - v.called_s for v in past if v.service == service] for service in range(len(TRUE))
    ]
    learned = [learn(each, planned_s) for each, planned_s in zip(lengths, PLANNED_S, strict=True)]
    mean_s = statistics.fmean(length_s for each in lengths for length_s in each)
    errors: list[tuple[float, ...]] = []
    covered = oracle_covered = 0
    for each in range(days):
        visits = day(counters, seed + counters * 1000 + each)
        for index, visit in enumerate(visits):
            ahead, running = seen_by(visits, index)
            if len(running) < counters:
                continue
            known = [(learned[service], elapsed_s) for service, elapsed_s in running]
            told = forecast(
                [learned[service] for service in ahead],
                [None if of is None else Running(of, elapsed_s) for of, elapsed_s in known],
                counters,
            )
            if told is None:
                continue
            oracle = courses_s(
                [TRUE[service] for service in ahead],
                [Running(TRUE[service], elapsed_s) for service, elapsed_s in running],
                counters,
                ORACLE_PATHS,
                seed + index,
            )
            low_s, oracle_s, high_s = (float(each) for each in np.quantile(oracle, (0.1, 0.5, 0.9)))
            actual_s = visit.called_s - visit.arrived_s
            naive_s = len(ahead) * mean_s / counters
            board_s = (len(ahead) + 1) * mean_s / counters
            guesses = (told.expected_s, oracle_s, naive_s, board_s)
            errors.append(tuple(abs(guess_s - actual_s) for guess_s in guesses))
            oracle_covered += low_s <= actual_s <= high_s
            covered += told.low_s <= actual_s <= told.high_s
    if not errors:
        raise ValueError("nobody waited in the simulated days")
    forecast_s, oracle_s, naive_s, board_s = (
        statistics.fmean(column) for column in zip(*errors, strict=True)
    )
    waits = len(errors)
    return Figures(
        counters, waits, forecast_s, oracle_s, naive_s, board_s, covered / waits, oracle_covered / waits
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--days", type=click.IntRange(1, 1000), default=60, show_default=True, help="held-out days a row"
)
def main(days: int) -> None:
    """Measure the wait forecast, plain and reconciled, the crowding forecast and steering on held-out simulated days."""
    click.echo("Simulated. Mean absolute error of those who found no free counter, in seconds.")
    click.echo(
        "counters  waits  forecast  oracle  /oracle   naive  /naive   board  /board  interval covers  oracle's"
    )
    for counters in range(1, 5):
        figures = measure(counters, days)
        click.echo(
            f"{figures.counters:8d}  {figures.waits:5d}  {figures.forecast_s:8.0f}  {figures.oracle_s:6.0f}  "
            f"{figures.forecast_s / figures.oracle_s:7.3f}  {figures.naive_s:6.0f}  "
            f"{figures.forecast_s / figures.naive_s:6.3f}  {figures.board_s:6.0f}  "
            f"{figures.forecast_s / figures.board_s:6.3f}  {figures.covered:15.1%}  {figures.oracle_covered:8.1%}"
        )
    click.echo(
        "\nThe same, told plainly and reconciled with appointments, open counters and the floor; tickets that waited."
    )
    click.echo("scene          counters  waits  plain  reconciled  /plain  plain covers  reconciled covers")
    for scene in SCENES:
        for counters in (2, 3):
            found = compare(scene, counters, days, HELD_OUT)
            click.echo(
                f"{found.scene:14s} {found.counters:8d}  {found.waits:5d}  {found.plain_s:5.0f}  {found.reconciled_s:10.0f}  "
                f"{found.reconciled_s / found.plain_s:6.3f}  {found.plain_covered:12.1%}  {found.reconciled_covered:17.1%}"
            )
    bench_crowding.report(weeks=max(1, days // 15), days=days)


if __name__ == "__main__":
    exits.run(main, prog="branchloop bench loop")
