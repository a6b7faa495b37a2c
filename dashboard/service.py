"""A day of service as tiles and tables, from what the API answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from branchloop.text.catalogue import Language, duration, say
from dashboard import tiles
from dashboard.funnel import percent

OUTCOMES = ("done", "partly", "documents_missing", "not_served")


def figures(answer: Mapping[str, Any], spoken: Language) -> list[str]:
    """The tiles of the first row, of all services together."""
    total = answer["total"]
    return [
        tiles.count(say("service.waiting", spoken), count(total["waiting"], spoken)),
        tiles.count(
            say("service.served", spoken),
            count(total["served"], spoken),
            "" if total["came"] is None else say("service.served.of", spoken, count=f"{total['came']:,}"),
        ),
        tiles.count(
            say("service.wait", spoken),
            duration(total["wait_median_s"], spoken),
            ""
            if total["wait_p90_s"] is None
            else say("service.wait.p90.note", spoken, value=duration(total["wait_p90_s"], spoken)),
        ),
        tiles.count(
            say("service.no_show", spoken),
            percent(total["no_show"]),
            "" if total["missed"] is None else say("service.no_show.note", spoken, count=total["missed"]),
        ),
        tiles.count(
            say("service.left", spoken),
            percent(total["left_share"]),
            "" if total["left"] is None else say("service.left.note", spoken, count=total["left"]),
        ),
    ]


def services(answer: Mapping[str, Any], spoken: Language) -> str:
    """HTML of one row a service."""
    heads = (
        "waiting", "expected", "came", "served", "sent_on", "wait", "wait.p90", "length", "length.p90", "no_show", "left",
    )  # fmt: skip
    rows = [
        [
            each["name"][spoken],
            count(each["waiting"], spoken),
            interval(each["expected_wait_s"], each["expected_low_s"], each["expected_high_s"], spoken),
            count(each["came"], spoken),
            count(each["served"], spoken),
            count(each["sent_on"], spoken) if "sent_on" in each else "—",
            duration(each["wait_median_s"], spoken),
            duration(each["wait_p90_s"], spoken),
            duration(each["service_median_s"], spoken),
            duration(each["service_p90_s"], spoken),
            percent(each["no_show"]),
            percent(each["left_share"]),
        ]
        for each in answer["services"]
    ]
    return tiles.table(
        [say("board.service", spoken), *(say(f"service.{key}", spoken) for key in heads)], rows
    )


def outcomes(answer: Mapping[str, Any], spoken: Language) -> str:
    """HTML of what visits came to, one row an outcome, one column a service."""
    told = [*answer["services"], answer["total"]]
    names = [each["name"][spoken] for each in answer["services"]]
    head = [say("service.outcome", spoken), *names, say("service.all", spoken)]
    rows = [
        [
            say(f"board.outcome.{outcome}", spoken),
            *(
                count(None if each["outcomes"] is None else each["outcomes"].get(outcome, 0), spoken)
                for each in told
            ),
        ]
        for outcome in OUTCOMES
    ]
    return tiles.table(head, rows)


def errors(answer: Mapping[str, Any], spoken: Language) -> str:
    """HTML of how far forecasts were off, one row a service and one for all."""
    rows = []
    for each in (*answer["services"], answer["total"]):
        error = each["error"]
        name = say("service.all", spoken) if each["name"] is None else each["name"][spoken]
        none = say("service.forecast.none", spoken) if error["waits"] == 0 else "—"
        rows.append(
            [
                name,
                count(error["waits"], spoken),
                none if error["mae_s"] is None else duration(error["mae_s"], spoken),
                percent(error["covered"]),
                "—"
                if not error["no_wait"]
                else say(
                    "service.forecast.no_wait.of",
                    spoken,
                    wrong=error["no_wait_wrong"],
                    count=error["no_wait"],
                ),
            ]
        )
    heads = [say(f"service.forecast.{key}", spoken) for key in ("waits", "mae", "covered", "no_wait")]
    return tiles.table([say("board.service", spoken), *heads], rows)


def beside(answer: Mapping[str, Any], spoken: Language) -> list[str]:
    """Tiles of tickets beside the floor."""
    both = answer["beside"]
    covered = both["coverage"]
    note = "" if covered is None else say("coverage.value", spoken, value=round(100 * covered))
    off = both["difference"]
    shared = both["absent"] == "shared_counters"  # who goes from one queue to the next joins both
    unknown = say("service.floor.shared" if shared else "not_measured", spoken)
    return [
        tiles.count(
            say("service.floor.tickets", spoken),
            count(both["tickets"], spoken) if answer["services"] else "—",
        ),
        tiles.count(
            say("service.floor.joined", spoken),
            "—" if both["joined"] is None else f"{both['joined']:,}",
            unknown if both["joined"] is None else note,
        ),
        tiles.count(say("service.floor.difference", spoken), "—" if off is None else f"{off:+,}"),
    ]


def floor(answer: Mapping[str, Any], spoken: Language) -> str:
    """HTML of what the floor saw of each queue."""
    rows = [
        [
            each["name"][spoken] if each["name"] else each["id"],
            "—" if each["waiting_now"] is None else f"{each['waiting_now']:g}",
            "—" if each["joined"] is None else f"{each['joined']:,}",
            percent(each["abandonment"]),
            duration(each["wait_median_s"], spoken),
            percent(each["coverage"]),
        ]
        for each in answer["floor"]
    ]
    heads = ("floor.queue", "waiting", "floor.joined", "floor.abandoned", "floor.wait")
    return tiles.table([*(say(f"service.{key}", spoken) for key in heads), say("coverage", spoken)], rows)


def crowd(answer: Mapping[str, Any], zone: ZoneInfo, spoken: Language) -> str:
    """HTML of the hours ahead, bars from zero; empty where no history tells of any."""
    hours = [hour for hour in answer["today"] if hour["people"] is not None]
    if not hours:
        return ""
    most = max(hour["people"] for hour in hours) or 1.0
    rows = []
    for hour in hours:
        at = datetime.fromisoformat(hour["start"]).astimezone(zone).strftime("%H:%M")
        level = say(f"service.crowd.{hour['level']}", spoken) if hour["level"] else "—"
        bar = f'<div class="bl-bar"><span style="width:{100 * hour["people"] / most:.1f}%"></span></div>'
        rows.append(
            f'<tr><th scope="row">{at}{bar}</th><td>{escape(people(hour["people"]))}</td>'
            f"<td>{escape(people(hour['low']))} – {escape(people(hour['high']))}</td><td>{escape(level)}</td></tr>"
        )
    head = "".join(
        f'<th scope="col">{escape(say(f"service.crowd.{key}", spoken))}</th>'
        for key in ("hour", "people", "range", "level")
    )
    return tiles.scrolled(
        f'<table class="bl-table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def people(value: float) -> str:
    """A mean number of people: of few the tenths count, and some are never shown as none."""
    if 0 < value < 0.1:
        return "< 0.1"
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


def count(value: int | None, spoken: Language) -> str:
    """A count of visits; one that is not told says so."""
    return say("service.small", spoken) if value is None else f"{value:,}"


def interval(middle_s: float | None, low_s: float | None, high_s: float | None, spoken: Language) -> str:
    """A wait as its median and range; an em dash when it cannot be told."""
    if middle_s is None:
        return "—"
    if high_s is not None and high_s < 1:
        return say("service.wait.none", spoken)
    return f"{duration(middle_s, spoken)} ({duration(low_s, spoken)} – {duration(high_s, spoken)})"
