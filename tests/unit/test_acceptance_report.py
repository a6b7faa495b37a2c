"""An acceptance report says what was measured, and nobody can change a word of it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from branchloop.acceptance.page import page
from branchloop.acceptance.report import canonical, digest, judge, overall, parse_report, read_tree
from branchloop.acceptance.signing import sign_report, verify_report
from branchloop.errors import InputError
from branchloop.keys.box import new_private
from branchloop.keys.sealing import raw_public

KEY = new_private()
PUBLIC = raw_public(KEY.public_key())
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def body(**other: Any) -> dict[str, Any]:
    return {
        "site": "north",
        "name": {"en": "North <gate>", "zh": "北门"},
        "simulated": False,
        "config_version": 3,
        "config_hash": "0123456789abcdef",
        "software": "branchloop 0.1.0",
        "detector": "nanodet",
        "cameras": [{"camera": "hall", "residual_mm": 41, "measured_on": "2026-05-01", "age_days": 30}],
        "evidence": [{"role": "truth", "name": "count.csv", "bytes": 900, "sha256": "a" * 64}],
        "figures": [
            {
                "key": "counts.wrong_rate",
                "subject": "door",
                "unit": "share",
                "value": 0.01,
                "low": 0.002,
                "high": 0.03,
                "sample": 400,
                "sample_of": "crossings",
                "needed": 300,
                "at_most": 0.05,
                "verdict": "pass",
            },
            {"key": "people.mota", "unit": "share", "sample": 9, "sample_of": "boxes", "verdict": "stated"},
        ],
        "method": [{"en": "block bootstrap, 60 s", "zh": "分块自助法，60 秒"}],
        "verdict": "pass",
        "measured_by": "Wei Zhang",
        "note": "door closed at noon",
        "made_at_ms": NOW_MS - DAY_MS,
        "expires_at_ms": NOW_MS + 364 * DAY_MS,
        **other,
    }


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(tree, dict | list) and tree:
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, (*path, key))
    else:
        yield path


def changed(tree: dict[str, Any], path: tuple[Any, ...], new: Any) -> str:
    other = copy.deepcopy(tree)
    spot = other
    for step in path[:-1]:
        spot = spot[step]
    if new is None:
        del spot[path[-1]]
    else:
        spot[path[-1]] = new
    return json.dumps(other, ensure_ascii=False)


def other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return ("0" if value[0] != "0" else "1") + value[1:]


def test_a_report_is_verified_as_it_was_made() -> None:
    """Whoever holds the public half reads what was signed; spaces and order of keys do not matter."""
    text = sign_report(KEY, body())
    report = verify_report(text, PUBLIC, NOW_MS)
    assert (report.site, report.verdict, report.figures[0].value) == ("north", "pass", 0.01)
    shuffled = json.dumps(dict(reversed(list(json.loads(text).items()))), indent=3)
    assert verify_report(shuffled, PUBLIC, NOW_MS) == report
    assert digest(read_tree(shuffled)) == digest(read_tree(text))


def test_every_field_is_guarded() -> None:
    """Any leaf that is changed or taken away, and any field that is added, is found out."""
    tree = json.loads(sign_report(KEY, body()))
    paths = list(leaves(tree))
    assert len(paths) > 35
    for path in paths:
        value = tree
        for step in path:
            value = value[step]
        for new in (other_value(value), None):
            with pytest.raises(InputError):
                verify_report(changed(tree, path, new), PUBLIC, NOW_MS)
    with pytest.raises(InputError, match="tampered"):
        verify_report(changed(tree, ("extra",), "more"), PUBLIC, NOW_MS)
    with pytest.raises(InputError, match="tampered"):
        verify_report(changed(tree, ("figures", 0, "value"), 0.011), PUBLIC, NOW_MS)


def test_a_key_that_stands_twice_is_refused() -> None:
    """Two readers must not see two values."""
    text = sign_report(KEY, body())
    with pytest.raises(InputError, match="twice"):
        verify_report(text.replace('"site"', '"site": "south", "site"', 1), PUBLIC, NOW_MS)


def test_fields_of_a_newer_version_are_signed_too() -> None:
    """What this version does not understand it still guards."""
    text = sign_report(KEY, body(humidity="40 %"))
    verify_report(text, PUBLIC, NOW_MS)
    with pytest.raises(InputError, match="tampered"):
        verify_report(text.replace("40 %", "50 %"), PUBLIC, NOW_MS)


@pytest.mark.parametrize(
    ("now_ms", "said"),
    [(NOW_MS + 364 * DAY_MS, "expired on"), (NOW_MS - 2 * DAY_MS, "dated in the future")],
)
def test_a_report_holds_for_its_time(now_ms: int, said: str) -> None:
    """Neither after its end nor before it was made."""
    with pytest.raises(InputError, match=said):
        verify_report(sign_report(KEY, body()), PUBLIC, now_ms)


def test_another_key_is_told_from_tampering() -> None:
    """The holder of the wrong public key learns that."""
    with pytest.raises(InputError, match="another key"):
        verify_report(sign_report(KEY, body()), raw_public(new_private().public_key()), NOW_MS)


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ((0.9, 0.88, 0.95, 0.85, None), "pass"),
        ((0.9, 0.80, 0.95, 0.85, None), "undecided"),
        ((0.9, None, None, 0.85, None), "undecided"),
        ((0.8, 0.75, 0.95, 0.85, None), "fail"),
        ((1.0, 0.97, 1.02, 0.95, 1.05), "pass"),
        ((1.0, 0.97, 1.08, 0.95, 1.05), "undecided"),
        ((None, None, None, 0.85, None), "undecided"),
        ((0.1, 0.0, 0.2, None, None), "stated"),
    ],
)
def test_a_limit_is_kept_only_by_the_whole_interval(limits: Any, verdict: str) -> None:
    """A good figure on a small sample is undecided, not passed."""
    assert judge(*limits) == verdict


def test_the_worst_figure_decides() -> None:
    """One failure fails the site; nothing limited is nothing passed."""
    assert overall(["pass", "stated", "undecided", "fail"]) == "fail"
    assert overall(["pass", "undecided"]) == "undecided"
    assert overall(["stated"]) == overall([]) == "stated"


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "fail"},
        {"expires_at_ms": NOW_MS - 2 * DAY_MS},
        {"evidence": []},
        {"figures": [{**body()["figures"][0], "verdict": "undecided"}]},
        {"figures": [{**body()["figures"][0], "high": 0.001}]},
        {"figures": [{**body()["figures"][0], "low": 0.02}]},
        {"figures": [{**body()["figures"][0], "value": 0.123456}]},
        {"note": float("nan")},
    ],
)
def test_what_contradicts_itself_is_never_signed(wrong: dict[str, Any]) -> None:
    """A verdict that does not follow, an interval the wrong way round, an endless number."""
    with pytest.raises(InputError):
        sign_report(KEY, body(**wrong))


def test_the_canonical_text_is_one_for_all_languages() -> None:
    """RFC 8785: sorted, compact, UTF-8, 1.0 as 1; so a browser signs and checks the same bytes."""
    assert canonical({"b": 1.0, "a": ["北", 0.0001, -2.5], "signature": "x"}) == (
        b'branchloop/1/acceptance\n{"a":["\xe5\x8c\x97",0.0001,-2.5],"b":1}'
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "branchloop/1/acceptance"}', "nul", "[" * 9999])
def test_what_is_no_report_is_said(text: str) -> None:
    """Any rubbish is one sentence."""
    with pytest.raises(InputError):
        parse_report(text)


def test_what_is_nested_deeply_is_refused() -> None:
    """The signed text is made from whatever was sent: running out of stack is a sentence too."""
    text = f'{{"format": "branchloop/1/acceptance", "note": {"[" * 700}{"]" * 700}}}'
    with pytest.raises(InputError, match="nested"):
        canonical(read_tree(text))


def test_the_page_says_it_in_both_languages() -> None:
    """Escaped, with figures, limits and digest, without a script or anything from elsewhere."""
    text = sign_report(KEY, body(simulated=True))
    report = verify_report(text, PUBLIC, NOW_MS)
    html = page(report, digest(read_tree(text)))
    for said in ("North &lt;gate&gt;", "北门", "1.0 %", "0.2 % … 3.0 %", "≤ 5.0 %", "模拟数据", "simulated data",
                 digest(read_tree(text)), "Wei Zhang", "4.1 cm"):  # fmt: skip
        assert said in html
    assert not any(said in html for said in ("<script", "http://", "https://"))
    assert "✓ passed</b>" in html
    report = verify_report(sign_report(KEY, body(not_counted=["back", "side"])), PUBLIC, NOW_MS)
    for said in ("✓ passed (1 of 3 lines)</b>", "✓ 通过（3 条计数线中的 1 条）</b>"):
        assert said in page(report, "")


def acceptance(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "branchloop.acceptance.command", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_verify_answers_with_its_exit_code(tmp_path: Path) -> None:
    """0 for a sound report, 4 and one sentence for any other; a key is made once."""
    assert acceptance("key", tmp_path).returncode == 0
    assert (tmp_path / "acceptance.pem").stat().st_mode & 0o077 == 0
    assert acceptance("key", tmp_path).returncode == 2
    from branchloop.keys.root import read_root

    report = tmp_path / "report.json"
    now_ms = time.time_ns() // 1_000_000
    good = body(made_at_ms=now_ms - DAY_MS, expires_at_ms=now_ms + DAY_MS)
    report.write_text(sign_report(read_root(tmp_path / "acceptance.pem"), good), encoding="utf-8")
    public = ("--public", tmp_path / "acceptance.pub")
    done = acceptance("verify", report, *public)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sound; north passed, measured" in done.stdout
    some = sign_report(read_root(tmp_path / "acceptance.pem"), {**good, "not_counted": ["back"]})
    (tmp_path / "some.json").write_text(some, encoding="utf-8")
    assert "north passed (1 of 2 lines)," in acceptance("verify", tmp_path / "some.json", *public).stdout
    assert acceptance("page", report, *public, "--out", tmp_path / "report.html").returncode == 0
    assert "Wei Zhang" in (tmp_path / "report.html").read_text(encoding="utf-8")
    signed = report.read_bytes()
    done = acceptance("page", report, *public, "--out", report)
    assert (done.returncode, "would take the place" in done.stderr, report.read_bytes()) == (2, True, signed)
    assert acceptance("page", report, *public, "--out", tmp_path / "report.html").returncode == 0
    report.write_text(report.read_text(encoding="utf-8").replace("Wei", "Li"), encoding="utf-8")
    done = acceptance("verify", report, *public)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "tampered" in done.stderr


def test_four_marks_have_no_residual_to_tell() -> None:
    """They fit whatever was typed: the page says so in both languages, and has no zero."""
    text = sign_report(KEY, body(cameras=[{"camera": "hall", "residual_mm": None}]))
    report = verify_report(text, PUBLIC, NOW_MS)
    assert report.cameras[0].residual_mm is None
    shown = page(report, digest(read_tree(text)))
    assert "— (four marks always fit)" in shown
    assert "— （四个标记点总能吻合" in shown or "— (四个标记点总能吻合" in shown
    assert "0.0 cm" not in shown
