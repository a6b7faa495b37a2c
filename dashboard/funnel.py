"""The funnel of journeys as figures and a table with bars, from what the API answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from branchloop.text.catalogue import WORDS, Language, duration, say
from dashboard import tiles


def figures(answer: Mapping[str, Any], spoken: Language) -> list[str]:
    """The tiles of the first row; what is not told or not known says why."""
    total = answer["total"]
    served = next(each["journeys"] for each in total["stages"] if each["stage"] == "served")
    cost = total["cost_per_served"]
    return [
        tiles.count(say("journeys.served", spoken), count(served, spoken)),
        tiles.count(say("journeys.cancelled", spoken), count(total["cancelled"], spoken)),
        tiles.count(
            say("journeys.no_show", spoken),
            percent(total["no_show"]),
            say("journeys.no_show.none", spoken) if total["no_show"] is None else "",
        ),
        tiles.count(
            say("journeys.cost", spoken),
            "—" if cost is None else f"{cost:,.2f} {answer['currency']}",
            say("journeys.cost.none", spoken) if cost is None else "",
        ),
    ]


def weeks(
    answer: Mapping[str, Any], start: datetime, until: datetime, zone: ZoneInfo, spoken: Language
) -> str:
    """The days that the answer is about, where the hub widened what was asked to whole weeks; until is now."""
    first, end = (datetime.fromisoformat(answer[key]) for key in ("from", "to"))
    if first >= start and end <= until:
        return ""
    last = (end - timedelta(milliseconds=1)).astimezone(zone)
    return say(
        "journeys.weeks.open" if end > until else "journeys.weeks",
        spoken,
        start=f"{first.astimezone(zone):%Y-%m-%d}",
        end=f"{last:%Y-%m-%d}",
    )


def table(group: Mapping[str, Any], spoken: Language) -> str:
    """Stages in order; bars from zero, the longest is the stage most journeys reached."""
    most = max((each["journeys"] or 0 for each in group["stages"]), default=0)
    rows = [_row(each, most, spoken) for each in group["stages"]]
    heads = ("stage", "count", "conversion", "median")
    head = "".join(f'<th scope="col">{escape(say(f"journeys.{key}", spoken))}</th>' for key in heads)
    return tiles.scrolled(
        f'<table class="bl-table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def groups_table(answer: Mapping[str, Any], spoken: Language, services: Mapping[str, str]) -> str:
    """One row per group: booked, checked in, served, no-show. `services` are names by id."""
    stages = ("booked", "checked_in", "served")
    heads = [say("journeys.group", spoken), *(say(f"journeys.stage.{stage}", spoken) for stage in stages)]
    heads.append(say("journeys.no_show", spoken))
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    rows = []
    for group in answer["groups"]:
        told = {each["stage"]: each["journeys"] for each in group["stages"]}
        name = _named(answer["by"], str(group["group"]), spoken, services)
        cells = [count(told[stage], spoken) for stage in stages] + [percent(group["no_show"])]
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    return tiles.scrolled(
        f'<table class="bl-table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _named(by: str, group: str, spoken: Language, services: Mapping[str, str]) -> str:
    """A group as people call it; a scene has the name that the bank gave it."""
    if group == "unknown":
        return say("journeys.group.unknown", spoken)
    key = f"journeys.channel.{group}"
    if by == "channel" and key in WORDS:
        return say(key, spoken)
    return services.get(group, group) if by == "service" else group


def count(value: int | None, spoken: Language) -> str:
    """A number of journeys; one that is not told says so."""
    return say("journeys.small", spoken) if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    """A share in per cent, or an em dash."""
    return "—" if share is None else f"{100 * share:.0f} %"


def _row(stage: Mapping[str, Any], most: int, spoken: Language) -> str:
    told, name = stage["journeys"], say(f"journeys.stage.{stage['stage']}", spoken)
    words = say("not_measured", spoken) if stage["absent"] == "not_recorded" else count(told, spoken)
    width = 0.0 if not told or not most else 100 * told / most
    bar = f'<div class="bl-bar"><span style="width:{width:.1f}%"></span></div>' if told is not None else ""
    return (
        f'<tr><th scope="row">{escape(name)}{bar}</th>'
        f"<td>{escape(words)}</td><td>{percent(stage['conversion'])}</td>"
        f"<td>{escape(duration(stage['median_s'], spoken))}</td></tr>"
    )
