"""Beside the heat, by the branch's clock: visitors by hour, and the times that nobody observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from branchloop import theme
from branchloop.clock import WINDOW_MS
from branchloop.text.catalogue import Language, label, lasting, say
from dashboard import localtime, periods

if TYPE_CHECKING:
    import altair as alt

MOST_GAPS = 6
A_GAP_S = 60.0
"""What is missing of coverage is a gap from a minute on: the newest windows are still on their way."""
Bucket = Literal["hour", "day"]


def footfall_chart(
    items: Sequence[Mapping[str, Any]], spoken: Language, zone: ZoneInfo, bucket: Bucket = "hour"
) -> alt.Chart:
    """Visitors by hour or day from a zero base; one that was not observed is a break, not a zero.

    Bars of one name would be drawn over each other: the second of an hour that comes twice has a name of its own.
    """
    import altair as alt  # with pandas half the start of the pages, of which one shows a chart
    import pandas as pd

    table = pd.DataFrame(
        {
            "hour": [
                localtime.wall(i["start"], zone, spoken)
                if bucket == "hour"
                else localtime.day(i["start"], zone)
                for i in items
            ],
            "visitors": [i["visitors"] for i in items],
        }
    )
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_bar(color=theme.ACCENT)
        .encode(
            # Named, not left as it comes: a chart that is drawn anew keeps the order it had, and puts new bars behind.
            x=alt.X("hour:O", title=None, sort=list(table["hour"])),
            y=alt.Y("visitors:Q", title=label("footfall", spoken), scale=alt.Scale(zero=True)),
        )
        .properties(height=180)
    )
    return chart


def gaps_of(
    seen: Sequence[Mapping[str, Any]],
    spoken: Language,
    zone: ZoneInfo,
    names: Mapping[str, str],
    unseen: str,
) -> str:
    """The times that nobody observed, and cameras that were out while others were not; `unseen` is why nothing was."""
    gaps = [gap for answer in seen for gap in answer["gaps"]]
    out = cameras_out(
        [each for answer in seen for each in answer.get("cameras_out", ())], spoken, zone, names
    )
    covered, opened_s = periods.coverage(seen), periods.opened_s(seen)
    if covered is None:
        none = unseen
    elif out or (1 - covered) * opened_s >= A_GAP_S:
        none = say("gaps.partly", spoken)
    else:
        none = say("gaps.none", spoken)
    return gap_list(gaps, spoken, zone, seen[0].get("begun"), none) + out


def cameras_out(
    outs: Sequence[Mapping[str, Any]], spoken: Language, zone: ZoneInfo, names: Mapping[str, str]
) -> str:
    """HTML of how long each camera did not observe, and when; nothing where none missed more than a window."""
    rows = []
    for camera in dict.fromkeys(each["camera"] for each in outs):
        of_it = [each for each in outs if each["camera"] == camera]
        seconds = sum(each["seconds"] for each in of_it)
        if seconds > WINDOW_MS / 1000:
            words = say(
                "gaps.camera",
                spoken,
                name=names.get(camera, camera),
                time=lasting(round(1000 * seconds), spoken),
                start=localtime.wall(min(each["from"] for each in of_it), zone, spoken),
                end=localtime.wall(max(each["to"] for each in of_it), zone, spoken),
            )
            rows.append(f'<div class="bl-light">◐ {escape(words)}</div>')
    return "".join(rows)


def gap_list(
    gaps: Sequence[Mapping[str, str]],
    spoken: Language,
    zone: ZoneInfo,
    begun: str | None = None,
    none: str | None = None,
) -> str:
    """The times that nobody observed; those before the branch was `begun` to be observed are no gaps, and told in one line.

    `none` are the words where there is no gap.
    """
    missed = [gap for gap in gaps if begun is None or _before(begun, gap["from"])]
    early = "" if begun is None or missed == gaps else localtime.wall(begun, zone, spoken)
    told = f'<div class="bl-note">{escape(say("gaps.early", spoken, time=early))}</div>' if early else ""
    if not missed:
        words = say("gaps.none", spoken) if none is None else none
        return told + (f'<div class="bl-note">{escape(words)}</div>' if words else "")
    rows = [
        say(
            "gaps.item",
            spoken,
            start=localtime.wall(gap["from"], zone, spoken),
            end=localtime.wall(gap["to"], zone, spoken),
        )
        for gap in missed[:MOST_GAPS]
    ]
    rest = len(missed) - MOST_GAPS
    if rest > 0:
        rows.append(f"+ {rest}")
    return told + "".join(f'<div class="bl-light">▨ {escape(row)}</div>' for row in rows)


def _before(one: str, other: str) -> bool:
    return datetime.fromisoformat(one) <= datetime.fromisoformat(other)
