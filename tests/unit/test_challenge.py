"""The challenge as a rule: what passes, what fails, and that nobody can know what will be asked."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from edge.kiosk.challenge import ACTIONS, HEAD, LIMIT_S, Action, Challenge, Pose

REST = {"yaw_deg": 2.0, "pitch_deg": 7.0, "blink": 0.05, "smile": 0.1}
DONE: dict[Action, dict[str, float]] = {
    "turn_left": {"yaw_deg": 22.0},
    "turn_right": {"yaw_deg": -20.0},
    "nod": {"pitch_deg": 22.0},
    "blink": {"blink": 0.7},
    "smile": {"smile": 0.9},
}


def pose(t_s: float, **more: float) -> Pose:
    return Pose(t_s, **{**REST, **more})


def ticks(fps: float = 10) -> Iterator[float]:
    yield from (i / fps for i in range(400))


def run(challenge: Challenge, *, obeys: bool = True, instead: Action | None = None) -> list[Action]:
    """A person who reacts half a second after each prompt; the actions that were asked for."""
    asked: list[Action] = []
    since_s = 0.0
    last: Action | None = None
    for t_s in ticks():
        if challenge.passed or challenge.failed:
            break
        if challenge.prompt != last:
            last, since_s = challenge.prompt, t_s
            asked += [last] if last else []
        acts = last is not None and t_s - since_s >= 0.5 and obeys
        challenge.feed(pose(t_s, **(DONE[instead or last] if acts and last else {})))
    return asked


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_who_obeys_passes_and_always_moves_the_head(seed: int, count: int) -> None:
    """Any draw of any length: different actions, one of them of the head, all passed by who follows them."""
    challenge = Challenge(random.Random(seed), count)
    asked = run(challenge)
    assert challenge.passed
    assert len(asked) == len(set(asked)) == count
    assert set(asked) & set(HEAD)


@given(st.integers(0, 10_000))
def test_who_smiles_is_not_asked_to_smile(seed: int) -> None:
    """It could not be told from doing nothing."""
    challenge = Challenge(random.Random(seed), 4)
    challenge.feed(pose(0.0, smile=0.9))
    seen = set()
    for i in range(1, 40):
        challenge.feed(pose(i / 10, smile=0.9))
        seen.add(challenge.prompt)
    assert "smile" not in seen


def test_every_action_is_asked_for_sometimes_and_in_every_order() -> None:
    """A recording of one run is worth nothing for the next."""
    orders = {tuple(run(Challenge(random.Random(seed), 2))) for seed in range(300)}
    assert {action for order in orders for action in order} == set(ACTIONS)
    assert len(orders) >= 16


@pytest.mark.parametrize("asked", ACTIONS)
@pytest.mark.parametrize("shown", HEAD)
def test_another_movement_of_the_head_fails(asked: Action, shown: Action) -> None:
    """A recording shows what it shows."""
    challenge = Challenge(random.Random(1), asked=[asked])
    run(challenge, instead=shown)
    assert challenge.passed == (asked == shown)
    assert challenge.failed == (None if asked == shown else "wrong_action")


def test_who_does_nothing_is_too_slow() -> None:
    """After the time limit, not before."""
    challenge = Challenge(random.Random(1), asked=["nod"])
    times = []
    for t_s in ticks():
        if challenge.failed:
            break
        challenge.feed(pose(t_s))
        times.append(t_s)
    assert challenge.failed == "too_slow"
    assert times[-1] >= LIMIT_S


def test_what_went_on_before_the_prompt_does_not_count() -> None:
    """Somebody who keeps turning is asked for nothing until at rest."""
    challenge = Challenge(random.Random(1), asked=["turn_left"])
    challenge.feed(pose(0.0))
    for i in range(1, 30):
        challenge.feed(pose(i / 10, **DONE["turn_left"]))
        assert challenge.prompt is None
    assert not challenge.passed


def test_a_blink_in_between_is_human() -> None:
    """It is held against nobody."""
    challenge = Challenge(random.Random(1), asked=["turn_right"])
    for t_s in (0.0, 0.5, 1.1, 1.2):
        challenge.feed(pose(t_s))
    assert challenge.prompt == "turn_right"
    challenge.feed(pose(1.3, blink=0.9))
    challenge.feed(pose(1.6, yaw_deg=-20))
    assert challenge.passed
