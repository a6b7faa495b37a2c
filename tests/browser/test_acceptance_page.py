"""The page of an acceptance report in real Chromium: both languages, without a script, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from branchloop.acceptance.page import page as html
from branchloop.acceptance.report import parse_report
from branchloop.acceptance.signing import sign_report
from branchloop.keys.box import new_private

FIGURE = {
    "key": "counts.wrong_rate", "subject": "door", "unit": "share", "value": 0.0, "low": 0.0, "high": 0.09,
    "sample": 40, "sample_of": "crossings", "needed": 74, "at_most": 0.05, "verdict": "undecided",
}  # fmt: skip
BODY = {
    "site": "north", "name": {"en": "North gate", "zh": "北门"}, "simulated": True, "config_version": 3,
    "config_hash": "0123456789abcdef", "software": "branchloop", "measured_by": "Wei Zhang",
    "cameras": [{"camera": "hall", "residual_mm": 41, "measured_on": "2026-05-01", "age_days": 30}],
    "evidence": [{"role": "truth", "name": "count.csv", "bytes": 900, "sha256": "a" * 64}],
    "figures": [
        FIGURE,
        {**FIGURE, "subject": "yard", "high": 0.04, "needed": 74, "verdict": "pass"},
        {**FIGURE, "subject": "park", "value": 0.2, "low": 0.1, "high": 0.3, "verdict": "fail"},
        {"key": "people.mota", "unit": "share", "sample": 9, "sample_of": "boxes", "verdict": "stated"},
    ],
    "method": [{"en": "block bootstrap", "zh": "分块自助法"}], "verdict": "fail",
    "made_at_ms": 1_790_000_000_000, "expires_at_ms": 1_800_000_000_000,
}  # fmt: skip


@pytest.fixture
def page(tmp_path: Path, chromium: Browser) -> Iterator[Page]:
    path = tmp_path / "report.html"
    report = parse_report(sign_report(new_private(), BODY))
    path.write_text(html(report, "f" * 64, "en"), encoding="utf-8")
    tab = chromium.new_page(viewport={"width": 390, "height": 900})
    tab.set_default_timeout(15_000)
    tab.goto(path.as_uri())
    yield tab
    tab.close()


def test_the_page_reads_in_both_languages_and_passes_axe(page: Page) -> None:
    """One language at a time, one touch apart; nothing wider than a phone; no violation."""
    for language, said, hidden in (("en", "not passed", "未通过"), ("zh", "未通过", "not passed")):
        page.check(f"#in-{language}")
        expect(page.locator(".verdict:visible")).to_contain_text(said)
        expect(page.locator(".verdict:visible")).not_to_contain_text(hidden)
        expect(page.locator("h1:visible")).to_have_count(1)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
