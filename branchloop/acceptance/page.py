"""An acceptance report as one page to read: self-contained, both languages, no script, prints on paper.

The page is a copy for people; only the signed JSON can be verified, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from branchloop import theme
from branchloop.acceptance.report import Report, ReportFigure, lines_counted
from branchloop.clock import iso
from branchloop.keys.sealing import shown_fingerprint
from branchloop.site.parts import Text
from branchloop.text.catalogue import LANGUAGE_NAMES, LANGUAGES, WORDS, Language, say

_MARKS = {"pass": "✓", "fail": "✕", "undecided": "?", "stated": "·"}
"""A shape beside the word: never colour alone."""

_DECIMAL = ("people.", "heat.r", "heat.mass_ratio")
"""Shares that people in the trade write as decimals."""

_STYLE = f"""
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: {theme.PAPER}; color: {theme.INK};
  font: 16px/1.5 system-ui, "Noto Sans SC", "Noto Sans CJK SC", sans-serif; font-variant-numeric: tabular-nums; }}
.sheet {{ max-width: 960px; margin: 0 auto; padding: 24px 16px 48px; }}
fieldset {{ border: 0; margin: 0 0 16px; padding: 0; font-size: 14px; }}
fieldset label {{ margin-right: 16px; padding: 8px 4px; cursor: pointer; }}
legend {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
article {{ display: none; }}
{{chosen}}
h1 {{ font-size: 28px; line-height: 1.2; margin: 0 0 8px; font-weight: 600; }}
h2 {{ font-size: 20px; margin: 32px 0 8px; font-weight: 600; }}
.ribbon {{ display: inline-block; border: 1px solid {theme.WARN}; color: {theme.WARN}; border-radius: 8px;
  padding: 4px 8px; font-size: 14px; }}
.verdict {{ border: 1px solid {theme.HAIRLINE}; border-left: 4px solid; border-radius: 8px; padding: 12px 16px;
  margin: 16px 0; }}
.verdict b {{ font-size: 20px; font-weight: 600; }}
.pass {{ color: {theme.GOOD}; }} .fail {{ color: {theme.BAD}; }}
.undecided {{ color: {theme.WARN}; }} .stated {{ color: {theme.MUTED}; }}
.verdict span {{ color: {theme.INK}; display: block; font-size: 14px; }}
dl {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 12px 24px; margin: 16px 0; }}
dt {{ font-size: 12px; color: {theme.MUTED}; }} dd {{ margin: 0; overflow-wrap: anywhere; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: 14px; }}
th {{ text-align: left; font-size: 12px; color: {theme.MUTED}; font-weight: 400; }}
th, td {{ padding: 8px 12px 8px 0; border-bottom: 1px solid {theme.HAIRLINE}; vertical-align: top; }}
td.n, th.n {{ text-align: right; white-space: nowrap; }}
td.subject {{ color: {theme.MUTED}; }}
code {{ font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }}
footer {{ margin-top: 32px; font-size: 14px; color: {theme.MUTED}; }}
@media print {{ fieldset {{ display: none; }} .sheet {{ padding: 0; }} h2 {{ break-after: avoid; }} tr {{ break-inside: avoid; }} }}
"""


def page(report: Report, report_digest: str, language: Language = "zh") -> str:
    """The whole HTML document; `language` is the one shown first, the other is one touch away."""
    choices, articles, shown = [], [], []
    for each in LANGUAGES:
        checked = " checked" if each == language else ""
        choices.append(
            f'<input type="radio" name="language" id="in-{each}"{checked}>'
            f'<label for="in-{each}" lang="{each}">{LANGUAGE_NAMES[each]}</label>'
        )
        shown.append(f"body:has(#in-{each}:checked) article[lang={each}] {{ display: block; }}")
        articles.append(_article(report, report_digest, each))
    style = _STYLE.replace("{chosen}", "\n".join(shown))
    legend = " / ".join(say("language", each) for each in LANGUAGES)
    title = escape(say("acceptance.of", language, branch=_branch(report, language)))
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f'<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main class="sheet">\n'
        f"<fieldset><legend>{legend}</legend>{''.join(choices)}</fieldset>\n"
        + "\n".join(articles)
        + "\n</main>\n</body>\n</html>\n"
    )


def is_page(html: str) -> bool:
    """Whether a document is such a page, of this version or an older one."""
    return html.startswith("<!doctype html>") and say("acceptance.verify", "en") in html


def _article(report: Report, report_digest: str, language: Language) -> str:
    limited = [figure for figure in report.figures if figure.verdict != "stated"]
    passed = sum(figure.verdict == "pass" for figure in limited)
    summary = (
        say("acceptance.summary", language, passed=passed, limited=len(limited))
        if limited
        else say("acceptance.summary_none", language)
    )
    facts = [
        ("acceptance.made", iso(report.made_at_ms)[:10]),
        ("acceptance.expires", iso(report.expires_at_ms)[:10]),
        ("acceptance.by", report.measured_by),
        (
            "acceptance.config",
            say("acceptance.config_value", language, version=report.config_version, hash=report.config_hash),
        ),
        ("acceptance.detector", report.detector),
        ("acceptance.software", report.software),
        ("acceptance.not_counted", _named(report.not_counted, report.names.lines, language)),
        ("acceptance.not_timed", _named(report.not_timed, report.names.zones, language)),
        ("acceptance.note", report.note),
    ]
    part = lines_counted(((f.key, f.subject) for f in report.figures), report.not_counted)
    verdict = say(f"acceptance.{report.verdict}", language)
    if part:
        verdict = say("acceptance.of_lines", language, verdict=verdict, counted=part[0], lines=part[1])
    parts = [
        f'<article lang="{language}">',
        f"<h1>{escape(say('acceptance.of', language, branch=_branch(report, language)))}</h1>",
        f'<p class="ribbon">{say("simulated", language)}</p>' if report.simulated else "",
        f'<p class="verdict {report.verdict}"><b>{_MARKS[report.verdict]} '
        f"{verdict}</b><span>{summary}</span></p>",
        "<dl>",
        *(f"<div><dt>{say(key, language)}</dt><dd>{escape(v)}</dd></div>" for key, v in facts if v),
        "</dl>",
        _figures(report, language),
        _cameras(report, language),
        _method(report, language),
        _evidence(report, language),
        f"<h2>{say('acceptance.signature', language)}</h2><dl>",
        f"<div><dt>{say('acceptance.key', language)}</dt><dd><code>{shown_fingerprint(report.signed_by)}</code></dd></div>",
        f"<div><dt>{say('acceptance.digest', language)}</dt><dd><code>{report_digest}</code></dd></div></dl>",
        f"<footer>{say('acceptance.verify', language)}</footer>",
        "</article>",
    ]
    return "\n".join(part for part in parts if part)


def _figures(report: Report, language: Language) -> str:
    def head(key: str, css: str = "") -> str:
        return f'<th scope="col"{css}>{say(f"acceptance.{key}", language)}</th>'

    number = ' class="n"'
    rows = [
        "<tr>",
        head("figure"),
        head("result"),
        head("value", number),
        head("interval", number),
        head("limit", number),
        head("sample", number),
        "</tr>",
    ]
    names = {"people": report.names.cameras, "counts": report.names.lines, "dwell": report.names.zones}
    for figure in report.figures:
        name = say(f"figure.{figure.key}", language) if _known(figure) else figure.key
        of = names.get(figure.key.partition(".")[0], {})
        about = (
            _named([figure.subject], of, language)
            if figure.subject
            else say("acceptance.all_lines", language)
            if figure.key.startswith("counts.")
            else ""
        )
        subject = f' <span class="stated">{escape(about)}</span>' if about else ""
        sample = say(f"acceptance.of.{figure.sample_of}", language, value=figure.sample)
        if figure.needed is not None and figure.verdict == "undecided":
            sample += "<br>" + say("acceptance.needed", language, value=figure.needed)
        rows.append(
            f"<tr><td>{escape(name)}{subject}</td>"
            f'<td class="{figure.verdict}">{_MARKS[figure.verdict]} {say(f"acceptance.{figure.verdict}", language)}</td>'
            f'<td class="n">{_value(figure.value, figure, language)}</td>'
            f'<td class="n">{_interval(figure, language)}</td><td class="n">{_limit(figure, language)}</td>'
            f'<td class="n">{sample}</td></tr>'
        )
    return _table("acceptance.figures", rows, language)


def _named(ids: Iterable[str], names: Mapping[str, Text], language: Language) -> str:
    """Parts of the site by their names, each with the id that the evidence has; by the id alone where there is none."""
    return ", ".join(f"{getattr(names[each], language)} ({each})" if each in names else each for each in ids)


def _cameras(report: Report, language: Language) -> str:
    if not report.cameras:
        return ""
    keys = ("camera", "acceptance.residual", "acceptance.measured_on", "acceptance.age")
    rows = ["<tr>", *(f'<th scope="col">{say(key, language)}</th>' for key in keys), "</tr>"]
    for camera in report.cameras:
        age = "—" if camera.age_days is None else say("acceptance.days", language, value=camera.age_days)
        residual = f"— ({say('quality.why.four_marks', language)})"
        if camera.residual_mm is not None:
            residual = f"{camera.residual_mm / 10:.1f} cm"
        rows.append(
            f"<tr><td>{escape(_named([camera.camera], report.names.cameras, language))}</td><td>{escape(residual)}</td>"
            f"<td>{camera.measured_on or '—'}</td><td>{age}</td></tr>"
        )
    return _table("acceptance.cameras", rows, language)


def _evidence(report: Report, language: Language) -> str:
    rows = [
        "<tr>",
        f'<th scope="col">{say("acceptance.file", language)}</th><th scope="col">SHA-256</th>',
        "</tr>",
    ]
    rows += [
        f"<tr><td>{say(f'acceptance.role.{file.role}', language)}<br>"
        f'<span class="stated">{escape(file.name)}</span></td><td><code>{file.sha256}</code></td></tr>'
        for file in report.evidence
    ]
    return _table("acceptance.evidence", rows, language)


def _method(report: Report, language: Language) -> str:
    if not report.method:
        return ""
    items = "".join(f"<li>{escape(line.zh if language == 'zh' else line.en)}</li>" for line in report.method)
    return f"<h2>{say('acceptance.method', language)}</h2><ul>{items}</ul>"


def _table(key: str, rows: list[str], language: Language) -> str:
    title = say(key, language)
    return (
        f"<h2>{title}</h2>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f"<table>{''.join(rows)}</table></div>"
    )


def _value(value: float | None, figure: ReportFigure, language: Language) -> str:
    if value is None:
        return f"— {say('acceptance.unmeasured', language)}"
    if figure.unit == "share" and figure.key.startswith(_DECIMAL):
        text = f"{value:.3f}"
    elif figure.unit == "share":
        text = f"{value * 100:.1f} %"
    else:
        text = f"{value:.0f}" if figure.unit == "count" else f"{value:.2f} {figure.unit}"
    return text.replace("-", "−")


def _interval(figure: ReportFigure, language: Language) -> str:
    if figure.low is None or figure.high is None:
        return "—"
    return f"{_value(figure.low, figure, language)} … {_value(figure.high, figure, language)}"


def _limit(figure: ReportFigure, language: Language) -> str:
    if figure.at_most is not None and figure.at_least == -figure.at_most:
        return f"± {_value(figure.at_most, figure, language)}"
    limits = [
        f"{sign} {_value(limit, figure, language)}"
        for sign, limit in (("≥", figure.at_least), ("≤", figure.at_most))
        if limit is not None
    ]
    return "<br>".join(limits) or "—"


def _branch(report: Report, language: Language) -> str:
    return report.name.zh if language == "zh" else report.name.en


def _known(figure: ReportFigure) -> bool:
    return f"figure.{figure.key}" in WORDS
