"""Files of an offline run: whole, or those of the run before."""

from __future__ import annotations

from pathlib import Path

from branchloop.share import share
from branchloop.site.site import parse_site
from edge.results import Results

CONFIG = share("configs/simulated.toml")


def test_a_run_that_ends_early_leaves_the_older_results_whole(tmp_path: Path) -> None:
    """Half a file of events beside yesterday's heat would be judged as one measurement."""
    site = parse_site(CONFIG.read_text(encoding="utf-8"), str(CONFIG))

    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".part"}

    Results(tmp_path, site.plan, (0.0, 0.0), ["hall"]).close()
    (tmp_path / "events.ndjson").write_text('{"event": "of yesterday"}\n', encoding="utf-8")
    before = contents()
    assert before.keys() == {"events.ndjson", "heat.npz", "floor.csv", "tracks-hall.txt"}
    unfinished = Results(tmp_path, site.plan, (0.0, 0.0), ["hall"])
    assert contents() == before
    unfinished.close()
    assert contents()["events.ndjson"] == b""
    assert not list(tmp_path.glob("*.part"))
