"""A table of the counting grid outlives its run: nothing counted is counted again, lost, or taken for another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from branchloop.errors import DependencyError, InputError
from edge.bench.cell_table import COLUMNS, CellTable, code
from edge.bench.floor import bench_floor, grid

CELLS = ["singles/15fps/2.5m?s/drop0/jitter[04]"]
KNOWN, OTHER = (cell.name for cell in grid(CELLS))


def run(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Figures of two cells, and what was told of those that were counted just now."""
    told: list[str] = []
    figures = bench_floor(grid(CELLS), 2, None, 1, lambda *said: told.append(said[2]), CellTable(path))
    return figures, told


def row(cell: str = KNOWN, asked: str = "100", by: str = "elsewhere") -> str:
    return f"{cell},2,{asked},60,3,103,1,2,{by}\n"


def test_a_cell_that_stands_there_is_not_counted_again(tmp_path: Path) -> None:
    """The other is counted, and stands there the next time; a cell of another number of crossings does not count for it."""
    path = tmp_path / "grid.csv"
    path.write_text(",".join(COLUMNS) + "\n" + row() + row(OTHER).replace(",2,", ",500,", 1))
    figures, told = run(path)
    assert [line.split(":")[0] for line in told] == [OTHER]
    by_cell = {each["cell"]: each for each in figures["rows"]}
    assert by_cell[KNOWN]["error"] == 0.03
    assert by_cell[KNOWN]["walker_error"] == round(3 / 160, 4)
    assert figures["wrong"] == 3 + by_cell[OTHER]["missed"] + by_cell[OTHER]["extra"]
    assert figures["cells_of_other_code"] == 1
    assert run(path) == (figures, [])


def test_a_row_whose_end_was_never_written_is_counted_again(tmp_path: Path) -> None:
    """Power lost while a row was written costs that row alone."""
    path = tmp_path / "grid.csv"
    path.write_text(",".join(COLUMNS) + "\n" + row(by=code()) + row(OTHER)[:-12])
    figures, told = run(path)
    assert [line.split(":")[0] for line in told] == [OTHER]
    assert figures["cells_of_other_code"] == 0
    assert run(path)[0] == figures


@pytest.mark.parametrize(
    ("content", "match"),
    [("day,guests\nmonday,9", "lacks a column"), (",".join(COLUMNS) + "\n" + row(asked="many"), "row 2: asked is 'many'")],
)  # fmt: skip
def test_another_file_is_refused_and_stays_as_it_was(tmp_path: Path, content: str, match: str) -> None:
    """Whatever was named by mistake is neither read as counts nor cut."""
    path = tmp_path / "grid.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=match):
        CellTable(path)
    assert path.read_text() == content


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """One sentence that names it."""
    with pytest.raises(DependencyError, match="absent"):
        run(tmp_path / "absent" / "grid.csv")
