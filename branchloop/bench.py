"""`branchloop bench ROOM`: each room measures itself against a baseline in the same run."""

from __future__ import annotations

import click

from branchloop import exits
from branchloop.cli import Program, replace
from branchloop.errors import UsageError

BENCHES: dict[str, str] = {
    "edge": "edge.main",
    "gate": "edge.main",
    "checkin": "edge.main",
    "floor": "edge.main",
    "hub": "hub.bench.ingest",
    "loop": "hub.bench.loop",
    "dashboard": "dashboard.bench",
}


@click.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("bench", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def main(bench: str | None, args: tuple[str, ...]) -> None:
    """Hand over to the room that holds the bench."""
    if bench in {None, "-h", "--help"}:
        click.echo(f"Usage: branchloop bench {{{'|'.join(BENCHES)}}} [OPTIONS]")
        return
    if bench not in BENCHES:
        raise UsageError(f"no bench is called {bench!r}.", hint=f"Benches: {', '.join(BENCHES)}.")
    before = ("bench", bench) if BENCHES[bench] == "edge.main" else ()
    replace(Program(BENCHES[bench], before, ""), args)


if __name__ == "__main__":
    exits.run(main, prog="branchloop bench")
