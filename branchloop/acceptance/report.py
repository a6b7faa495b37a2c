"""The acceptance report of a site: what its figures were measured to be, by whom, and until when that holds.

A report is one JSON object. Its canonical text is everything but `signature`, as RFC 8785 writes it (sorted
keys, no blanks, UTF-8, numbers as JavaScript prints them); that text under `DOMAIN` is what gets signed.
Fields that a newer version adds are signed like all others, because the text is made from what was read and
not from what is understood. Pure: no clock, no file, no key.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from branchloop.errors import InputError
from branchloop.site.parts import Text
from branchloop.wire.payload import Base64Url, Count, Fingerprint, Id, TimeMs, Wire

FORMAT = "branchloop/1/acceptance"
DOMAIN = f"{FORMAT}\n".encode()
DECIMALS = 4
"""Figures are rounded to this many: every language then prints them alike."""
MAX_BYTES = 1_000_000
CONFIDENCE = 0.95

HELD = ("counts.", "heat.emd_m")
"""Figures whose interval holds them by the way it is made; a bootstrap's percentiles may lie beside a figure."""

Verdict = Literal["pass", "fail", "undecided", "stated"]
"""*undecided*: the figure meets its limit, but its interval does not, or was not measured; *stated*: no limit."""
Real = Annotated[float, Field(allow_inf_nan=False)]
Line = Annotated[str, Field(min_length=1, max_length=200)]


class ReportFigure(Wire):
    """One measured figure with its 95 % interval and, where one was set, its limit."""

    key: Annotated[str, Field(pattern=r"^(people|heat|counts|dwell)\.[a-z0-9_]{1,40}$")]
    subject: Id | None = Field(default=None, description="camera, line or zone that it is about")
    unit: Literal["share", "m", "s", "count"]
    value: Real | None = Field(default=None, description="absent: it could not be measured")
    low: Real | None = None
    high: Real | None = None
    sample: Count = Field(description="how much it rests on, in `sample_of`")
    sample_of: Literal["boxes", "places", "crossings", "visits"]
    needed: Count | None = Field(
        default=None, description="sample that would suffice for the limit at the rate that was found"
    )
    at_least: Real | None = None
    at_most: Real | None = None
    verdict: Verdict

    @model_validator(mode="after")
    def _consistent(self) -> ReportFigure:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the interval of {self.key} ends before it begins")
        ends = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        if self.value is not None and self.key.startswith(HELD) and not ends[0] <= self.value <= ends[1]:
            raise ValueError(f"{self.key} lies outside its interval")
        if self.verdict != judge(self.value, self.low, self.high, self.at_least, self.at_most):
            raise ValueError(f"the verdict on {self.key} does not follow from its figures")
        return self


class MeasuredCamera(Wire):
    """How well one camera's calibration fitted, and how old it was."""

    camera: Id
    residual_mm: Count | None
    """None where four marks fit whatever was typed."""
    measured_on: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    age_days: Annotated[int, Field(ge=-1, le=100_000)] | None = None


class Evidence(Wire):
    """One file that the figures rest on."""

    role: Literal["clip", "tracks", "heat", "counts", "visits", "truth"]
    name: Line
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Names(Wire):
    """What the site's parts are called, by their ids; one without a name is not here."""

    cameras: dict[Id, Text] = Field(default_factory=dict, max_length=200)
    lines: dict[Id, Text] = Field(default_factory=dict, max_length=200)
    zones: dict[Id, Text] = Field(default_factory=dict, max_length=200)


class Report(Wire):
    """What is signed, and the signature."""

    format: Literal["branchloop/1/acceptance"] = "branchloop/1/acceptance"
    site: Id
    name: Text
    names: Names = Field(default_factory=Names, description="absent in reports of older versions")
    simulated: bool = False
    config_version: Annotated[int, Field(ge=1)]
    config_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    software: Line
    detector: Line | None = None
    cameras: list[MeasuredCamera] = Field(default_factory=list, max_length=64)
    evidence: list[Evidence] = Field(min_length=1, max_length=200)
    figures: list[ReportFigure] = Field(min_length=1, max_length=2_000)
    method: list[Text] = Field(
        default_factory=list, max_length=20, description="how intervals were made, block lengths, seeds"
    )
    not_counted: list[Id] = Field(
        default_factory=list, max_length=200, description="lines that nobody counted by hand: in no figure"
    )
    not_timed: list[Id] = Field(
        default_factory=list, max_length=200, description="zones whose visits nobody timed: in no figure"
    )
    verdict: Verdict
    measured_by: Line
    note: Annotated[str, Field(max_length=1_000)] | None = None
    made_at_ms: TimeMs
    expires_at_ms: TimeMs
    signed_by: Fingerprint = Field(description="fingerprint of the key that signed")
    signature: Base64Url = Field(max_length=100, description="ECDSA P-256 with SHA-256: r and s, 64 bytes")

    @model_validator(mode="after")
    def _consistent(self) -> Report:
        if self.expires_at_ms <= self.made_at_ms:
            raise ValueError("it expires before it was made")
        if self.verdict != overall(figure.verdict for figure in self.figures):
            raise ValueError("its verdict does not follow from its figures")
        return self


def lines_counted(
    figures: Iterable[tuple[str, str | None]], not_counted: Collection[str]
) -> tuple[int, int] | None:
    """How many of a site's lines a report judges, from its figures' (key, subject): None where it judges all, or no counts.

    A verdict on some lines says nothing of the others, and must not be read as the site's.
    """
    counted = {subject for key, subject in figures if subject and key.startswith("counts.")}
    return (len(counted), len(counted | set(not_counted))) if counted and not_counted else None


def judge(
    value: float | None,
    low: float | None,
    high: float | None,
    at_least: float | None,
    at_most: float | None,
) -> Verdict:
    """Whether a figure keeps its limit: surely, surely not, or undecided at this sample."""
    if at_least is None and at_most is None:
        return "stated"
    if value is None:
        return "undecided"
    if not _within(value, value, at_least, at_most):
        return "fail"
    if low is None or high is None:
        return "undecided"
    return "pass" if _within(low, high, at_least, at_most) else "undecided"


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a report: its worst figure's."""
    found = set(verdicts)
    order: tuple[Verdict, ...] = ("fail", "undecided", "pass")
    return next((verdict for verdict in order if verdict in found), "stated")


def canonical(body: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: `DOMAIN`, then the body without its signature in RFC 8785 form.

    Raises InputError for numbers that languages print differently (beyond 2^53, or finer than `DECIMALS`).
    """
    try:
        content = {key: _plain(value) for key, value in body.items() if key != "signature"}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return DOMAIN + text.encode()
    except UnicodeEncodeError as error:
        raise InputError("a report holds text that is not Unicode.", hint="Make it anew.") from error
    except RecursionError as error:
        raise InputError("a report is nested too deeply.", hint="Give the file as it was made.") from error


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical text in hex: the report's name wherever one is needed."""
    return hashlib.sha256(canonical(body)).hexdigest()


def read_tree(text: str) -> dict[str, Any]:
    """The JSON object of a report, as it is. Raises InputError for what is none, or says a key twice."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise InputError("it is too large for an acceptance report.", hint="Give the file as it was made.")
    try:
        tree = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"it is not an acceptance report: {error}.", hint="Give the file as it was made."
        ) from error
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise InputError("it is not an acceptance report.", hint="Give a report.json of branchloop acceptance make.")  # fmt: skip
    return tree


def parse_report(text: str) -> Report:
    """Read a report **without** checking its signature. Raises InputError naming what is wrong."""
    read_tree(text)
    try:
        return Report.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "it"
        reason = str(fault["msg"]).removeprefix("Value error, ")
        raise InputError(
            f"it is not an acceptance report: {where}: {reason}.", hint="Give the file as it was made."
        ) from error


def _within(low: float, high: float, at_least: float | None, at_most: float | None) -> bool:
    return (at_least is None or low >= at_least) and (at_most is None or high <= at_most)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) > 2**53 or round(value, DECIMALS) != value:
            raise InputError(f"a report holds the number {value!r}.", hint=f"Round to {DECIMALS} decimals.")
        return int(value) if value == int(value) else value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        raise InputError(f"a report holds the number {value}.", hint="Numbers end at 2^53.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no number")
