"""How a report's figures were measured, as it says so itself: in every language of the house."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from branchloop.text.catalogue import LANGUAGES, say


def said(key: str, **values: object) -> dict[str, str]:
    """A text of the catalogue."""
    return {language: say(key, language, **values) for language in LANGUAGES}


def without_truth(found: Sequence[tuple[Path, Mapping[str, Any]]]) -> dict[str, str]:
    """Of truths with many frames without a box under tracks: how many these are, and the longest stretch of all."""
    stretches = [(*people["without_truth_longest"], truth.name[:40]) for truth, people in found]
    first, last, name = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    frames = sum(people["without_truth"] for _, people in found)
    return said("acceptance.how.without_truth", frames=frames, first=first, last=last, name=name)


def bootstrapped(what: str, figures: Mapping[str, Any], figure: str) -> dict[str, str]:
    """How the interval of `figure` was made, or that there is none."""
    words: dict[str, str] = {}
    for language in LANGUAGES:
        name = say(f"acceptance.what.{what}", language)
        if figures.get(f"{figure}_low") is None:
            words[language] = (
                say("acceptance.how.short", language, what=name, block=figures["block"],
                    minutes=math.ceil(figures["enough_s"] / 60))
                if "enough_s" in figures
                else say("acceptance.how.none", language, what=name)
            )  # fmt: skip
            continue
        frames = figures["block_unit"] == "frames"
        words[language] = say(
            "acceptance.how.bootstrap", language, what=name, block=figures["block"],
            unit=say("acceptance.frames" if frames else "unit.s", language), draws=figures["replicates"],
            seed=figures["seed"],
        )  # fmt: skip
    return words
