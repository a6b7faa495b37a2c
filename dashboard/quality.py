"""The page *Quality* as HTML: verdict, devices, conservation, checks, alerts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, get_args
from zoneinfo import ZoneInfo

from branchloop.kpis import TAINTS
from branchloop.text.catalogue import WORDS, Language, duration, label, say
from branchloop.wire.messages import SensorFault
from dashboard import localtime, tiles
from dashboard.evidence import ABOVE, NARROW, PAIRS, Names, evidence, measured, number, percent
from dashboard.plan import named
from dashboard.standing import decisive

VERDICTS: Mapping[str, tuple[str, str]] = {
    "proven": ("✓", "good"),
    "plausible": ("○", "good"),
    "care": ("◐", "warn"),
    "no": ("✕", "bad"),
    "unknown": ("?", "muted"),
}
"""Verdict -> shape and tone: never colour alone."""
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "ok": ("✓", "good"),
    "off": ("✕", "bad"),
    "unknown": ("?", "muted"),
}
MOST_ALERTS = 12


def names_of(branch: Mapping[str, Any], language: Language) -> Names:
    """The names of a branch's lines, zones, cameras and sensors."""
    return {
        (what, part["id"]): named(part, language)
        for what in ("line", "zone", "camera", "sensor")
        for part in branch[f"{what}s"]
    }


def verdict(answer: Mapping[str, Any], language: Language) -> str:
    """The answer to "can I trust the counts?", and why it is no better."""
    trust = answer["trust"]
    shape, tone = VERDICTS[trust["verdict"]]
    opened = sum(alert["cleared"] is None for alert in answer["alerts"])
    shares = {key: trust.get(key) for key in ("coverage", "entrances")}  # an older hub tells but one
    values = {key: "—" if share is None else percent(share) for key, share in shares.items()}
    values["alert"] = str(opened)
    lines = [
        say(f"quality.reason.{reason}", language, value=values.get(reason, "")) for reason in trust["reasons"]
    ]
    if trust["tainted"]:
        lines.append(say("quality.tainted", language, figures=_figures(trust["tainted"], language)))
    below = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f'<div class="bl-verdict bl-{tone}-edge"><p><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
        f"{escape(say('quality.verdict.' + trust['verdict'], language))}</p>"
        + (f"<ul>{below}</ul>" if below else "")
        + "</div>"
    )


def figures(answer: Mapping[str, Any], language: Language) -> list[str]:
    """The tiles: coverage, open alerts, what was left over, and the report."""
    told = [day for day in answer["balance"] if day["value"] is not None]
    note, left = say("quality.balance.none", language), "—"
    if told:
        left = _signed(told[0]["value"])
        note = say(
            "quality.left_over.note",
            language,
            date=_local_day(told[0]["from"], answer),
            tolerance=number(told[0]["tolerance"]),
        )
    report, until = say("quality.report.none", language), ""
    if (said := decisive(answer)) is not None:
        report = say(f"quality.report.{said['verdict']}", language)
        key = "ended" if said["state"] != "valid" else "until" if said["same_configuration"] else "former"
        until = say(f"quality.report.{key}", language, date=said["expires"][:10])
    lately, whole = answer["trust"]["coverage"], answer["coverage"]
    span = say("quality.coverage_all", language, days=len(answer["days"]), value=shown_share(whole))
    return [
        tiles.count(say("quality.coverage_7", language), shown_share(lately), span),
        tiles.count(
            say("quality.open", language), str(sum(alert["cleared"] is None for alert in answer["alerts"]))
        ),
        tiles.count(say("quality.left_over", language), left, note),
        f'<div class="bl-tile"><div class="bl-label">{escape(say("quality.report", language))}</div>'
        f'<div class="bl-word">{escape(report)}</div><div class="bl-note">{escape(until)}</div></div>',
    ]


def part_table(answer: Mapping[str, Any], names: Names, language: Language) -> str:
    """Cameras and sensors: state, coverage, time with faults, calibration."""
    rows = []
    checks = {(each["check"], each["subject"]): each["outcome"] for each in answer["findings"]}
    unmeasured = {each["subject"] for each in answer["findings"] if each["reason"] == "four_marks"}
    at_odds = {
        camera
        for alert in answer["alerts"]
        if alert["kind"] in PAIRS and alert["cleared"] is None
        for camera in alert["subject"].split("/")
    }
    parts = [("camera", part) for part in answer["cameras"]]
    parts += [("sensor", part) for part in answer["sensors"]]
    for what, part in parts:
        shape, tone = tiles.LIGHTS.get(part["state"], tiles.LIGHTS["unknown"])
        state = say(f"state.{part['state']}", language)
        if part["fault"] is not None:
            (shape, tone), state = tiles.FAULTY, _kind(part["fault"], language)
        elif what == "camera" and part["state"] == "up" and part["id"] in at_odds:
            (shape, tone), state = tiles.FAULTY, say("quality.at_odds", language)
        faults = say("quality.list", language).join(
            f"{_kind(each['fault'], language)} {duration(each['seconds'], language)}"
            for each in part["faults"]
        )
        residual, age = part.get("calibration_residual_mm"), part.get("calibration_age_days")
        if what == "camera" and part["id"] in unmeasured:
            residual = None  # the zero of marks that always fit
        cells = [
            f'<th scope="row">{escape(names.get((what, part["id"]), part["id"]))}</th>',
            f'<td><span class="bl-{tone}" aria-hidden="true">{shape}</span>{NARROW}{escape(state)}</td>',
            f"<td>{shown_share(part['coverage_day'])}</td>",
            f"<td>{shown_share(part['coverage'])}</td>",
            f"<td>{escape(faults) or '—'}</td>",
            _limited(
                None if residual is None else say("quality.cm", language, value=f"{residual / 10:.1f}"),
                checks.get(("calibration_residual", part["id"])),
                language,
            ),
            _limited(
                None if age is None else say("quality.age.days", language, value=age),
                checks.get(("calibration_age", part["id"])),
                language,
            ),
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return f'<div class="bl-note">{escape(say("quality.parts.none", language))}</div>'
    keys = ("part", "state", "coverage_day", "coverage_span", "fault_time", "residual", "age")
    return table([say(f"quality.{key}", language) for key in keys], rows)


def balance_table(answer: Mapping[str, Any], language: Language) -> str:
    """In, out, still seen, left over and what is allowed, day by day."""
    rows = []
    for day in answer["balance"]:
        numbers = day["numbers"]
        counts = [
            number(numbers[key]) if day["value"] is not None else "—"
            for key in ("went_in", "went_out", "seen")
        ]
        if day["value"] is None:
            left, allowed = "—", "—"
        else:
            left, allowed = _signed(day["value"]), f"±{NARROW}{number(day['tolerance'])}"
        cells = "".join(f"<td>{cell}</td>" for cell in (*counts, left, allowed))
        rows.append(
            f'<tr><th scope="row">{_local_day(day["from"], answer)}</th>{cells}<td>{_outcome(day, language)}</td></tr>'
        )
    if not rows:
        return f'<div class="bl-note">{escape(say("quality.balance.none", language))}</div>'
    heads = [
        say("quality.day", language), say("in", language), say("out", language), say("quality.seen", language),
        say("quality.left", language), say("quality.allowed", language), say("quality.result", language),
    ]  # fmt: skip
    return table(heads, rows)


def check_table(answer: Mapping[str, Any], names: Names, language: Language) -> str:
    """The other checks: what was found against what was expected, and on what the tolerance rests.

    Those that could not be made stand below, by their reason.
    """
    rows = []
    unmade: dict[str, dict[str, list[str]]] = {}
    for finding in answer["findings"]:
        check = finding["check"]
        name = _about(check, finding["subject"], names, language)
        if finding["reason"] is not None:
            unmade.setdefault(finding["reason"], {}).setdefault(check, []).append(name)
            continue
        sign = "≤" if check in ABOVE else "±"
        cells = [
            measured(check, finding["value"], language),
            "—" if check in ABOVE else measured(check, finding["expected"], language),
            f"{sign}{NARROW}{measured(check, finding['tolerance'], language)}",
            say(f"quality.basis.{finding['basis']}", language),
        ]
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + f"<td>{_outcome(finding, language)}</td></tr>"
        )
    keys = ("check", "found", "expected", "allowed", "basis", "result")
    shown = (
        table([say(f"quality.{key}", language) for key in keys], rows)
        if rows
        else f'<div class="bl-note">{escape(say("quality.checks.none", language))}</div>'
    )
    for reason, checks in unmade.items():
        why = say(f"quality.why.{reason}", language)
        told = say(
            "quality.unmade", language, why=why[0].upper() + why[1:],
            checks=say("quality.list", language).join(
                about[0] if len(about) == 1 else f"{_kind(check, language)} ({len(about)})"
                for check, about in checks.items()
            ),
        )  # fmt: skip
        shown += f'<div class="bl-note">? {escape(told)}</div>'
    return shown


def alert_list(answer: Mapping[str, Any], names: Names, language: Language, zone: ZoneInfo) -> str:
    """Open alerts first, then those that cleared; each with evidence and the figures it taints."""
    alerts = sorted(answer["alerts"], key=lambda alert: alert["cleared"] is not None)
    if not alerts:
        return f'<div class="bl-note">{escape(say("quality.alerts.none", language))}</div>'
    rows = []
    for alert in alerts[:MOST_ALERTS]:
        opened = alert["cleared"] is None
        shape, tone = ("▲", "bad") if opened else ("△", "muted")
        title = _about(alert["kind"], alert["subject"], names, language)
        raised = localtime.wall(alert["raised"], zone, language)
        when = (
            say("quality.alert.open", language, time=raised)
            if opened
            else say(
                "quality.alert.cleared",
                language,
                start=raised,
                end=localtime.wall(alert["cleared"], zone, language),
            )
        )
        lines = [line for line in (when, evidence(alert, names, language)) if line]
        if alert["tainted"]:
            tainted = _figures(alert["tainted"], language)
            lines.append(say("quality.alert.taints", language, figures=tainted))
        below = "".join(f'<div class="bl-note">{escape(line)}</div>' for line in lines)
        rows.append(
            f'<div class="bl-alert"><span class="bl-{tone}" aria-hidden="true">{shape}</span> {escape(title)}{below}</div>'
        )
    if len(alerts) > MOST_ALERTS:
        rows.append(f'<div class="bl-note">+ {len(alerts) - MOST_ALERTS}</div>')
    return "".join(rows)


def _outcome(finding: Mapping[str, Any], language: Language) -> str:
    shape, tone = OUTCOMES[finding["outcome"]]
    words = (
        say(f"quality.why.{finding['reason']}", language)
        if finding["reason"] is not None
        else say(f"quality.outcome.{finding['outcome']}", language)
    )
    return f'<span class="bl-{tone}" aria-hidden="true">{shape}</span>{NARROW}{escape(words)}'


def _limited(shown: str | None, outcome: str | None, language: Language) -> str:
    if shown is None:
        return "<td>—</td>"
    if outcome != "off":
        return f"<td>{escape(shown)}</td>"
    words = say("quality.too_much", language, value=shown)
    return f'<td><span class="bl-warn"><span aria-hidden="true">◐</span> {escape(words)}</span></td>'


def table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """HTML of a table whose rows are HTML already."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return tiles.scrolled(
        f'<table class="bl-table bl-wrap"><thead><tr>{top}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _about(kind: str, subject: str, names: Names, language: Language) -> str:
    """A check or alert, and what it is about by name."""
    if not subject:
        return _kind(kind, language)
    if kind == "line_history":
        what = "line"
    elif kind == "zone_history":
        what = "zone"
    elif kind in {"sensor_disagrees", "sensor_silent", *get_args(SensorFault)}:
        what = "sensor"
    else:
        what = "camera"
    parts = [names.get((what, part), part) for part in subject.split("/")]
    return f"{_kind(kind, language)} · {' / '.join(parts)}"


def _kind(kind: str, language: Language) -> str:
    key = f"alert.{kind}"
    return say(key, language) if key in WORDS else kind


def _figures(keys: Sequence[str], language: Language) -> str:
    """Names of figures; a long list has a name of its own."""
    told = set(keys)
    for name, whole in (("all", TAINTS["covered"]), ("place", TAINTS["moved"])):
        if told >= set(whole):
            rest = [label(key, language).lower() for key in keys if key not in whole]
            return say("quality.list", language).join([say(f"quality.taints.{name}", language), *rest])
    return say("quality.list", language).join(label(key, language).lower() for key in keys)


def _signed(value: float) -> str:
    shown = number(abs(value))
    return "0" if shown == "0" else f"{'+' if value > 0 else '−'}{shown}"


def shown_share(share: float | None) -> str:
    """A share as a percentage, or a dash."""
    return "—" if share is None else f"{percent(share)}{NARROW}%"


def _local_day(text: str, answer: Mapping[str, Any]) -> str:
    return datetime.fromisoformat(text).astimezone(ZoneInfo(answer["timezone"])).strftime("%m-%d")
