"""A site file with cameras that have no marks yet: whoever is about to write some needs it read all the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from branchloop.site.editing import with_calibration
from branchloop.site.site import Site, parse_site

_MARKS = [[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1], [0, 1, 0, 1]]
_PICTURE_PX = [16, 16]


def read_unmarked(text: str, file: str) -> tuple[Site, frozenset[str], str]:
    """The site, with marks and a size that stand in where a camera has none, the cameras whose size is such, and its text.

    Raises ConfigError for every other fault of the text.
    """
    unsized: set[str] = set()
    whole = text
    for camera, calibration in _cameras(text):
        stands_in: dict[str, Any] = {}
        if not calibration.get("points"):
            stands_in["points"] = _MARKS
        if "picture_px" not in calibration and stands_in:
            stands_in["picture_px"] = _PICTURE_PX
            unsized.add(camera)
        if stands_in:
            whole = with_calibration(whole, camera, stands_in)
    return parse_site(whole, file), frozenset(unsized), whole


def _cameras(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids and calibrations of the cameras, as far as they are such; none of a text that is no TOML."""
    try:
        listed = tomllib.loads(text).get("camera")
    except tomllib.TOMLDecodeError:
        return
    if not isinstance(listed, list) or not all(isinstance(camera, dict) for camera in listed):
        return
    for camera in listed:
        if isinstance(camera.get("id"), str):
            calibration = camera.get("calibration", {})
            if isinstance(calibration, dict):
                yield camera["id"], calibration
