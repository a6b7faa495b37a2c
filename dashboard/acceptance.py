"""The acceptance report that decides, as HTML: its verdict, figures with intervals, and until when it holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from branchloop.acceptance.report import lines_counted
from branchloop.text.catalogue import WORDS, Language, say
from dashboard.evidence import NARROW
from dashboard.plan import named
from dashboard.quality import table
from dashboard.standing import decisive

REPORTS: Mapping[str, tuple[str, str]] = {
    "pass": ("✓", "good"),
    "fail": ("✕", "bad"),
    "undecided": ("?", "warn"),
    "stated": ("·", "muted"),
}
"""Verdict -> shape and tone."""
KINDS: Mapping[str, str] = {"counts": "lines", "dwell": "zones", "people": "cameras"}
"""What a figure's subject is, by its key's first part: a line, a zone and a camera may share an id."""


def report(answer: Mapping[str, Any], branch: Mapping[str, Any], language: Language) -> str:
    """The acceptance report that decides: its verdict, figures with intervals, and until when it holds."""
    told = decisive(answer)
    if told is None:
        return f'<div class="bl-note">{escape(say("quality.reports.none", language))}</div>'
    others = len(answer["reports"]) - 1
    shape, tone = REPORTS[told["verdict"]]
    state = say(f"quality.report.{told['state']}", language, date=told["expires"][:10])
    line = say(
        "quality.report.line",
        language,
        made=told["made"][:10],
        who=told["measured_by"],
        version=told["config_version"],
        state=state,
    )
    lines = [line]
    if told["simulated"]:
        lines.append(say("simulated", language))
    if not told["same_configuration"]:
        lines.append(say("quality.report.other", language, version=branch["version"]))
    if told["not_counted"]:
        lines.append(_not_counted(told["not_counted"], branch, language))
    if others:
        lines.append(say("quality.report.others", language, value=others))
    rows = []
    names = {(kind, part["id"]): part for kind in KINDS.values() for part in branch[kind]}
    for figure in told["figures"]:
        key = f"figure.{figure['key']}"
        name = say(key, language) if key in WORDS else figure["key"]
        if figure["subject"]:
            part = names.get((KINDS.get(figure["key"].partition(".")[0], ""), figure["subject"]), {})
            name += f" · {(part.get('name') or {}).get(language, figure['subject'])}"
        mark, colour = REPORTS[figure["verdict"]]
        interval = (
            "—"
            if figure["low"] is None or figure["high"] is None
            else f"{_accepted(figure, figure['low'])}{NARROW}– {_accepted(figure, figure['high'])}"
        )
        sample = say(f"acceptance.of.{figure['sample_of']}", language, value=figure["sample"])
        cells = [_accepted(figure, figure["value"]), interval, _limit(figure), sample]
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + f'<td><span class="bl-{colour}" aria-hidden="true">{mark}</span> '
            f"{escape(say('quality.report.' + figure['verdict'], language))}</td></tr>"
        )
    keys = ("figure", "value", "interval", "limit", "sample", "result")
    verdict = say("acceptance." + told["verdict"], language)
    part = lines_counted(((f["key"], f["subject"]) for f in told["figures"]), told["not_counted"])
    if part:
        verdict = say("acceptance.of_lines", language, verdict=verdict, counted=part[0], lines=part[1])
    return (
        f'<div class="bl-light"><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
        f"{escape(verdict)}</div>"
        + "".join(f'<div class="bl-note">{escape(each)}</div>' for each in lines)
        + table([say(f"acceptance.{key}", language) for key in keys], rows)
    )


def _not_counted(ids: Sequence[str], branch: Mapping[str, Any], language: Language) -> str:
    """Which lines the report says nothing about, by name; a line that is gone by its id."""
    names = {line["id"]: named(line, language) for line in branch["lines"]}
    told = say("quality.list", language).join(names.get(line, line) for line in ids)
    return say("quality.report.not_counted", language, lines=told)


def _accepted(figure: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return "—"
    match figure["unit"]:
        case "share":
            return f"{100 * value:.1f}{NARROW}%"
        case "m":
            return f"{value:.2f}{NARROW}m"
        case "s":
            return f"{value:.1f}{NARROW}s"
        case _:
            return f"{value:g}"


def _limit(figure: Mapping[str, Any]) -> str:
    limits = [
        f"{sign}{NARROW}{_accepted(figure, figure[key])}"
        for key, sign in (("at_least", "≥"), ("at_most", "≤"))
        if figure[key] is not None
    ]
    return " ".join(limits) or "—"
