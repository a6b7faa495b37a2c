"""What the acceptance reports in force prove of a branch's counts."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from branchloop.acceptance.report import Report
from branchloop.site.site import Site
from hub.loop.finding import CountError
from hub.loop.trust import Standing
from hub.store.branches.configurations import Configurations
from hub.store.figures.acceptance import AcceptanceReports

SMALLEST_ERROR = 0.005
"""No report proves a count so well that chance needs no room."""
LARGEST_ERROR = 0.05
"""A report that lets more of the crossings be wrong proves no count, whatever limit was set in it: no check could find anything off."""
MOST_READ = 10
"""Older reports were followed by so many that they are told of no more."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How the branch stands, how wrong a count of all entrances may be, and by which report (its digest)."""

    standing: Standing
    error: CountError
    report: str | None


def proof(db: sqlite3.Connection, site: Site, now_ms: int) -> Proof:
    """By the newest report in force that proves the counts or that failed.

    One that says nothing of them (of heat alone, or of another door) takes nothing from an older one, and proves nothing.
    """
    found = Proof("none", CountError(), None)
    entrances = {line.id for line in site.lines if line.entrance}
    for kept in AcceptanceReports(db).newest(site.id, MOST_READ):
        report = kept.report
        if now_ms >= report.expires_at_ms or not Configurations(db).runs(
            site, report.config_version, report.config_hash
        ):
            if found.standing == "none":
                found = Proof("expired", CountError(), kept.digest)
            continue
        if report.verdict == "fail":
            return Proof("failed", CountError(), kept.digest)
        share = _proven(report, entrances)
        if share is not None:
            return Proof("valid", CountError(max(SMALLEST_ERROR, share), "acceptance"), kept.digest)
        if found.standing in {"none", "expired"}:
            standing: Standing = "undecided" if entrances <= _counted(report) else "partial"
            found = Proof(standing, CountError(), kept.digest)
    return found


def _counted(report: Report) -> set[str | None]:
    return {figure.subject for figure in report.figures if figure.key.startswith("counts.")}


def _proven(report: Report, entrances: set[str]) -> float | None:
    """The share of crossings wrong of all lines together that a report which did not fail proves; None where it proves none.

    A few crossings at one door prove nothing of the others, however well or badly that door did.
    """
    if not entrances <= _counted(report):
        return None
    rates = [figure for figure in report.figures if figure.key == "counts.wrong_rate"]
    whole = [figure for figure in rates if figure.subject is None]
    if not whole and len({figure.subject for figure in rates}) == 1:
        whole = rates
    highs = [figure.high for figure in whole if figure.verdict == "pass" and figure.high is not None]
    proven = bool(highs) and len(highs) == len(whole) and max(highs) <= LARGEST_ERROR
    return max(highs) if proven else None
