"""What a replay's results were made with: the results say it themselves, and a report names nothing else."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from branchloop.errors import InputError, UsageError
from branchloop.site.site import Site
from edge.configured import InForce
from edge.tables import read_records

EVENT = "made"
"""The first event of an events.ndjson, and the name of the same record in a heat.npz."""


class Made(BaseModel):
    """Configuration, detector and recordings (SHA-256 of each file) of one replay."""

    model_config = ConfigDict(frozen=True)

    config_version: int
    config_hash: str
    detector: str
    clips: tuple[str, ...]


def made_with(running: InForce, detector: str, clips: Iterable[Path]) -> Made:
    """The record of a replay that goes by this configuration."""
    return Made(
        config_version=running.site.version,
        config_hash=running.hash,
        detector=detector,
        clips=tuple(sha256(clip)[1] for clip in clips),
    )


def sha256(path: Path) -> tuple[int, str]:
    """Size and digest of a file. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error


def check_once(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Raise UsageError where results are their own truth, or one measurement is given twice, whatever its files are called."""
    seen = dict[tuple[str, str], Path]()
    for made, truth in pairs:
        both = sha256(made)[1], sha256(truth)[1]
        if both[0] == both[1]:
            raise UsageError(
                f"{made} and its truth {truth} hold the same, so nothing is measured.",
                hint="Give what the box made first, then what people saw.",
            )
        if both in seen:
            raise UsageError(
                f"{made} and its truth hold the same as {seen[both]} and its own.",
                hint="Give each measurement once.",
            )
        seen[both] = made


def is_of(path: Path, site: Site, hash_in_force: str, clips: Collection[str]) -> bool:
    """Whether results are known to be of this configuration and of these recordings.

    `clips`: the digests of those that are named. False where results do not say. Raises InputError where they say
    that they are of others, or of a recording that is not named.
    """
    if path.suffix == ".ndjson":
        versions = {row.get("config_version", site.version) for _, row in read_records(path, "window", ())}
        if versions - {site.version}:
            _refuse(path, f"configuration {min(versions - {site.version})}", f"{site.id} has {site.version}")
    made = _read(path)
    if made is None:
        return False
    if made.config_hash != hash_in_force:
        _refuse(
            path,
            f"configuration {made.config_version} ({made.config_hash})",
            f"{site.id} has {site.version} ({hash_in_force})",
        )
    if site.box is not None and made.detector != site.box.detector:
        _refuse(path, f"the detector {made.detector[:80]}", f"{site.id} has {site.box.detector[:80]}")
    if not set(made.clips) <= set(clips):
        _refuse(
            path,
            "a recording that no --clip names",
            "the report would not say what was measured",
            hint="Name each with --clip, as `edge replay` read it.",
        )
    return True


def _refuse(
    path: Path,
    others: str,
    ours: str,
    hint: str = "Run `edge replay --in-force` with what is to be accepted.",
) -> None:
    raise InputError(f"{path} was made with {others}; {ours}.", hint=hint)


def _read(path: Path) -> Made | None:
    try:
        if path.suffix == ".ndjson":
            records = [row for _, row in read_records(path, EVENT, ())]
            return Made.model_validate(records[0]) if records else None
        if not zipfile.is_zipfile(path):
            return None
        with np.load(path, allow_pickle=False) as stored:
            return Made.model_validate(json.loads(str(stored[EVENT]))) if EVENT in stored else None
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(
            f"{path} does not say rightly what it was made with.", hint="Run `edge replay` anew."
        ) from error
