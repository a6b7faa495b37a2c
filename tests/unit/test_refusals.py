"""What the hub refuses is told in the reader's language, by the hub's own sentences."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from branchloop import codes
from branchloop.errors import BranchloopError
from branchloop.text.refusals import for_scripts, told
from dashboard.client import Hub, Unknown
from hub.api import figures
from hub.loop import appointments, tickets


def test_steps_that_do_not_follow_are_told_in_chinese() -> None:
    """Both sides by the words of the board."""
    with pytest.raises(BranchloopError) as refused:
        appointments.after("served", "call")
    words = told(str(refused.value), "zh")
    assert words == "该预约当前为“已办理”，不能执行“叫号”；可能已由他人处理，请以最新列表为准。"
    assert told(str(refused.value), "en") == str(refused.value)


def test_who_shows_a_code_all_the_same_is_told_what_to_do_instead() -> None:
    """Who was parked for a paper comes back to the queue; whose visit is over takes a ticket."""
    with pytest.raises(BranchloopError, match="take them back in line") as refused:
        appointments.after("parked", "arrive")
    assert told(str(refused.value), "zh") == "该客户已签到，目前处于“已暂停”；请点“恢复排队”。"
    with pytest.raises(BranchloopError, match="takes a ticket") as refused:
        appointments.after("left", "arrive")
    assert told(str(refused.value), "zh") == "该预约当前为“已离开”，不能签到；客户已到店的，请现场取号。"


def test_who_was_served_cannot_end_as_not_served() -> None:
    told_in_english = (
        "the appointment is served; it cannot end as not served now. Only one that is called can."
    )
    assert told(told_in_english, "zh") == "该预约当前为“已办理”，不能登记为“未办理”；只有已叫号的才可以。"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: codes.read_code("hello"), "这不是预约码"),
        (lambda: codes.read_qr("hello"), "这不是预约二维码"),
        (lambda: figures.snap(0, 9 * 86_400_000, 7), "一次最多查询 7 天"),
        (lambda: tickets.number("A", 1_000), "今日 A 号段已用完"),
    ],
)
def test_refusals_have_rules(ask: Callable[[], object], words: str) -> None:
    """The sentence that the hub raises is one that a rule knows."""
    with pytest.raises(BranchloopError) as refused:
        ask()
    assert told(str(refused.value), "zh").startswith(words)


def test_a_script_is_given_the_same_rules() -> None:
    """Every pattern as JavaScript writes it: named groups are all that differs."""
    given = for_scripts()
    rules = given["rules"]
    assert isinstance(rules, list)
    assert not any("(?P" in pattern for pattern, _ in rules)
    assert any("(?<state>" in pattern for pattern, _ in rules)


def test_what_no_rule_knows_says_so() -> None:
    """Half a translation would mislead."""
    assert told("the moon is full.", "zh") == "（暂无中文说明，原文如下）the moon is full."


@pytest.mark.parametrize("token", ["口令", "two words", "", "x" * 5_000, "a\x00b"])
def test_what_no_header_can_carry_is_nobodys_token(token: str) -> None:
    """It is not sent at all: the hub could not even read it."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http, pytest.raises(Unknown):
        Hub("http://hub", token, http).branches()
