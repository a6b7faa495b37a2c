"""The customer of demo and tests before the kiosk's camera: does what is asked as somebody would who stands there."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from edge.checkin.actor import HOLD_AFTER_S, Actor, Hand, at_pace
from edge.perceive.camera import Image

VIDEO = Path(__file__).parents[2] / "sample_video"


@pytest.fixture(scope="module")
def actor() -> Actor:
    return Actor(VIDEO / "kiosk.mp4", VIDEO / "kiosk.toml", None)


def test_an_action_is_done_again_while_it_is_asked_for(actor: Actor) -> None:
    """A blink that the kiosk overlooked is not the end: there are three within the six seconds that it waits."""
    actor.action = "blink"
    shown = list(itertools.islice(actor.frames(), round(6 * actor.fps)))
    begins, ends = actor._parts["blink"][0], actor._parts["blink"][-1]
    assert [sum(image is each for image in shown) for each in (begins, ends)] == [3, 3]


def test_what_is_asked_next_is_done_at_once_and_nothing_unasked(actor: Actor) -> None:
    actor.action = "nod"
    frames = actor.frames()
    nod = list(itertools.islice(frames, len(actor._parts["nod"])))
    assert all(seen is known for seen, known in zip(nod, actor._parts["nod"], strict=True))
    actor.action = ""
    rest = [next(frames) for _ in range(200)]
    assert {id(image) for image in rest} <= {id(image) for image in actor._parts["neutral"]}
    actor.action = "turn_left"
    assert next(frames) is actor._parts["turn_left"][0]


def test_a_camera_that_was_held_up_does_not_hurry() -> None:
    """Pictures of ten seconds in one would be movements that no kiosk can see."""
    passed_s, pauses = [0.0], list[float]()

    def sleep(pause_s: float) -> None:
        pauses.append(round(pause_s, 3))
        passed_s.append(pause_s)

    image: Image = np.zeros((2, 2, 3), np.uint8)
    for number, _ in enumerate(at_pace([image] * 6, 10.0, lambda: sum(passed_s), sleep)):
        passed_s.append(10.0 if number == 2 else 0.02)
    assert pauses == [0.08, 0.08, 0.0, 0.08, 0.08, 0.08]


def saw(hand: Hand, stage: str, at_s: float, *, typing: bool = False) -> None:
    hand.saw({"stage": stage, "typing": typing}, at_s)


def test_the_code_is_held_up_where_nobody_types() -> None:
    """Who types at human speed has begun within ten seconds, and is then let finish."""
    hand = Hand()
    saw(hand, "idle", 0.0)
    saw(hand, "code", 1.0)
    assert [hand.holds(at_s) for at_s in (1.5, 10.9, 11.0)] == [False, False, True]
    saw(hand, "idle", 20.0)
    saw(hand, "code", 21.0)
    saw(hand, "code", 21.0 + HOLD_AFTER_S / 2)  # the page tells again what holds still
    assert hand.holds(21.0 + HOLD_AFTER_S)
    saw(hand, "idle", 40.0)
    saw(hand, "code", 41.0)
    saw(hand, "code", 45.0, typing=True)
    assert not hand.holds(80.0)


def test_the_code_is_not_held_up_again_once_its_ticket_was_shown() -> None:
    """A ticket of a code that somebody typed was not its own."""
    for again in (False, True):
        hand = Hand(again=again)
        for opens_s, typing in ((0.0, True), (100.0, False)):
            saw(hand, "code", opens_s, typing=typing)
            assert hand.holds(opens_s + HOLD_AFTER_S) != typing
            saw(hand, "ticket", opens_s + HOLD_AFTER_S)
            saw(hand, "idle", opens_s + 30.0)
        saw(hand, "code", 200.0)
        assert hand.holds(200.0 + HOLD_AFTER_S) == again
