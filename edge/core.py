"""The core process of a box: one owner of its data directory, and word of how it ended."""

from __future__ import annotations

from pathlib import Path

from branchloop.errors import DependencyError
from branchloop.processes import lock_directory, stop_event
from edge.configured import read_configured, read_own
from edge.pipeline import Pipeline
from edge.trial import Trial


def run_core(config: Path) -> None:
    """The core process of a box: everything but the cameras' own processes, which it starts."""
    own, box, _ = read_own(config)
    data_dir = config.parent / box.data_dir
    with lock_directory(data_dir):
        trial = Trial(data_dir)
        trial.begin(own.version)
        try:
            Pipeline(read_configured(config), config, data_dir).run(stop_event())
        except DependencyError:
            trial.crashes.in_order()
            raise
        except Exception as error:
            trial.crashes.ends_by(error)
            raise
        trial.crashes.in_order()
