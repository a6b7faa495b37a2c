"""Where the files lie that ship with the house: site files and the sample clip."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "share"
_CHECKOUT = Path(__file__).parent.parent


def share(name: str) -> Path:
    """A shipped file or folder, in an installed wheel as in a checkout. Raises FileNotFoundError."""
    for root in (_PACKAGED, _CHECKOUT):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} is not part of this installation; install branchloop anew")
