"""Model files: shipped ones by name, others by path; a digest that differs is refused."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import InputError

MODELS = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file that was read and, where a digest is known, verified."""

    path: Path
    content: bytes
    sha256: str


def shipped(task: str = "people") -> dict[str, tuple[str, str]]:
    """Name -> (file, SHA-256) of the models that ship for `people` or `faces`."""
    table = tomllib.loads((MODELS / "digests.toml").read_text(encoding="utf-8"))
    return {name: (entry["file"], entry["sha256"]) for name, entry in table.items() if entry["task"] == task}


def shipped_weights(name: str, task: str) -> Weights:
    """A shipped model, its digest checked. Raises InputError as `load_weights`."""
    file, sha256 = shipped(task)[name]
    return load_weights(MODELS / file, sha256)


def load_weights(path: Path, sha256: str | None) -> Weights:
    """Read a model file. Raises InputError when it is missing, empty, or not the one expected."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"model {path} cannot be read: {error.strerror}.",
            hint=f"Name a shipped one ({', '.join(shipped())}) or the path of an .onnx or .xml file.",
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise InputError(
            f"model {path} has SHA-256 {digest[:12]}…, expected {sha256[:12].lower()}….",
            hint="Install it again from its origin; a changed model is not used.",
        )
    return Weights(path, content, digest)
