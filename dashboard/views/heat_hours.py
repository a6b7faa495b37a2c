"""Beside the heat, by the branch's clock: visitors by hour, and the times that nobody observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from branchloop import theme
from branchloop.text.catalogue import Language, label, say
from dashboard import localtime

if TYPE_CHECKING:
    import altair as alt

MOST_GAPS = 6
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


def gap_list(
    gaps: Sequence[Mapping[str, str]], spoken: Language, zone: ZoneInfo, begun: str | None = None
) -> str:
    """The times that nobody observed; those before the branch was `begun` to be observed are no gaps, and told in one line."""
    missed = [gap for gap in gaps if begun is None or _before(begun, gap["from"])]
    early = "" if begun is None or missed == gaps else localtime.wall(begun, zone, spoken)
    told = f'<div class="bl-note">{escape(say("gaps.early", spoken, time=early))}</div>' if early else ""
    if not missed:
        return told + f'<div class="bl-note">{escape(say("gaps.none", spoken))}</div>'
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
