"""Why a picture could not be made: whatever box and hub really say has Chinese words, and cameras have their names."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType
from typing import get_args

import pytest

import edge.birdseye
import edge.perceive.backdrop
import edge.perceive.birdseye
import edge.perceive.taking
import edge.pictures
from branchloop.text.catalogue import LANGUAGES, WORDS, Language
from branchloop.text.faults import UNKNOWN
from branchloop.text.pictures import told
from branchloop.wire.messages import DeviceState
from hub.store.branches import pictures as hub_pictures

MARK = UNKNOWN.partition("{")[0]
NAMES = {"hall": "大厅摄像头", "north": "北侧"}


def written(part: ast.expr) -> str:
    """A string of the source; what is put in when it runs is a 7."""
    if isinstance(part, ast.JoinedStr):
        return "".join(written(each) if isinstance(each, ast.Constant) else "7" for each in part.values)
    assert isinstance(part, ast.Constant), ast.dump(part)
    return str(part.value)


def raised(module: ModuleType) -> list[str]:
    """The sentences of the InputErrors that a module raises."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError"
    ]
    return [" ".join(written(part) for part in (*call.args, *(key.value for key in call.keywords))) for call in calls]  # fmt: skip


SAID = [
    sentence
    for module in (
        edge.perceive.backdrop, edge.perceive.taking, edge.perceive.birdseye, edge.birdseye, hub_pictures,
    )
    for sentence in raised(module)
    if "cannot be written" not in sentence  # offline alone
]  # fmt: skip


def spoken_by_the_core() -> list[str]:
    """The reasons in the source of the core's own part."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(edge.pictures))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", "")
        parts = [*node.args, *(each for arg in node.args if isinstance(arg, ast.Tuple) for each in arg.elts)]
        if name in {"_refuse", "_made", "_has"}:
            found += [written(part) for part in parts if isinstance(part, (ast.JoinedStr, ast.Constant))]
    return [each for each in found if " " in each and not each.endswith("being 7")]


def test_the_sources_still_say_something() -> None:
    """The sentences below are those of the code."""
    assert len(SAID) >= 12
    assert len(spoken_by_the_core()) >= 6


@pytest.mark.parametrize(
    "said",
    [
        *SAID,
        *spoken_by_the_core(),
        "no picture could be made",
        "no picture could be made: bad allocation",
        "it was not ready in time: it was still being made by hall",
        "it was not ready in time: it was still being laid out",
        "it ended without a word",
        "internal fault; the lines above belong into a bug report.",
        "no picture for 3 s",
    ],
)
def test_whatever_is_said_has_chinese_words(said: str) -> None:
    assert MARK not in told("refused", said, "zh", {})
    assert told("refused", said, "en", {}) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_without_words_has_some(language: Language) -> None:
    codes = ["expired", "unreadable", "unknown", "refused", "bad_picture"]
    for code in [*codes, *(f"camera_{state}" for state in get_args(DeviceState))]:
        assert f"picture.{code}" in WORDS
        words = told(code, None, language, {})
        assert words.isascii() == (language == "en")
        assert code not in words.split()


def test_cameras_have_their_names() -> None:
    """In both languages, one or several; one without a name has its id."""
    said = "it was not ready in time: it was still being made by attic, hall, north"
    assert told("expired", said, "zh", NAMES) == "未及时完成：仍在等待摄像头 attic, 大厅摄像头, 北侧 的画面"
    assert told("expired", said, "en", {"hall": "Hall"}).endswith("made by attic, Hall, north")


def test_what_no_rule_knows_is_told_in_the_box_s_words() -> None:
    assert told("refused", "the moon is full", "en", NAMES) == "the moon is full"
    assert told("refused", "the moon is full", "zh", NAMES) == UNKNOWN.format(message="the moon is full")
    assert told("late_moon", None, "zh", {}) == UNKNOWN.format(message="late_moon")
    assert told("late_moon", None, "en", {}) == "late_moon"
