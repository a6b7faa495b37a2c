"""The one command. It reaches the rooms by `python -m`, so that a box needs only its own extra."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass

import click

from branchloop import __version__, exits
from branchloop.errors import DependencyError, UsageError


@dataclass(frozen=True, slots=True)
class Program:
    """Where a command lives: `module` is run with `args` before the user's own."""

    module: str
    args: tuple[str, ...]
    about: str


COMMANDS: dict[str, Program] = {
    "demo": Program("branchloop.demo.run", (), "a whole branch on this machine, from footage to heatmap"),
    "edge": Program("edge.main", (), "run, replay or simulate the box of a branch"),
    "hub": Program("hub.main", (), "run the hub, make tokens, import history"),
    "dashboard": Program("dashboard.main", (), "the managers' pages"),
    "calibrate": Program("edge.calibrate", (), "judge a camera's marks, measure its lens"),
    "check-config": Program(
        "branchloop.check", (), "say whether a site or hub file is right, and how to mend it"
    ),
    "doctor": Program("branchloop.doctor", (), "say whether this machine can do its work"),
    "evaluate": Program("edge.main", ("evaluate",), "measure tracks and heat against ground truth"),
    "birdseye": Program("edge.main", ("birdseye",), "lay clips out on the plan from above, people removed"),
    "bench": Program("branchloop.bench", (), "measure speed against a baseline in the same run"),
    "chaos": Program(
        "branchloop.chaos", (), "kill every process of a demo branch, and see that nothing is lost"
    ),
    "load": Program("branchloop.load.run", (), "simulated boxes of many branches against a hub"),
    "audit": Program("hub.main", ("audit",), "verify the hub's audit log"),
    "acceptance": Program("branchloop.acceptance.command", (), "measure a site, sign and verify the report"),
    "keys": Program("branchloop.keys.root", (), "make the offline root, sign the keys of kiosks"),
    "erase": Program("hub.main", ("erase",), "forget a customer, and show what each box confirmed"),
    "broker-config": Program("hub.main", ("broker-config",), "write broker users and access lists"),
    "install-service": Program(
        "branchloop.daemon.install", (), "run a box, hub or dashboard as a service of systemd"
    ),
}


ROOM_NEEDS = {"edge": "onnxruntime", "hub": "fastapi", "dashboard": "streamlit"}
"""A module that only the room's own extra brings."""


class _Launcher(click.Group):
    """Lists its table without importing any room."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        program = COMMANDS.get(cmd_name)
        if program is None:
            return None

        @click.command(
            cmd_name,
            short_help=program.about,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        )
        @click.argument("args", nargs=-1, type=click.UNPROCESSED)
        def launch(args: tuple[str, ...]) -> None:
            replace(program, args)

        return launch


@click.group(cls=_Launcher, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="branchloop")
def cli() -> None:
    """Smart branch edge analytics: footfall, heat and queues on a branch's floor plan."""


def replace(program: Program, args: tuple[str, ...]) -> None:
    """Become the program: same terminal, same signals, its exit code."""
    room = program.module.split(".", maxsplit=1)[0]
    if not installed(room):
        raise DependencyError(
            f"the {room} room is not installed here.", hint=f"Install it: pip install 'branchloop[{room}]'."
        )
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", program.module, *program.args, *args])


def installed(room: str) -> bool:
    """Whether a room's own dependencies are there; the contract needs none."""
    return room not in ROOM_NEEDS or importlib.util.find_spec(ROOM_NEEDS[room]) is not None


def main() -> None:
    """Entry point of `branchloop`."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and sys.argv[1] not in COMMANDS:
        error = UsageError(f"no such command: {sys.argv[1]!r}.", hint=f"Commands: {', '.join(COMMANDS)}.")
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    exits.run(cli)


if __name__ == "__main__":
    main()
