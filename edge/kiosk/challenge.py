"""The active challenge: a random sequence of small movements, each asked for and each in its time. Pure.

A photo cannot do them, a recording does others. Times are seconds of one monotonic clock; randomness comes
from the caller. `Pose` angles are degrees: yaw positive towards the person's own left, pitch downwards.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["turn_left", "turn_right", "nod", "blink", "smile"]
Reason = Literal["wrong_action", "too_slow"]
ACTIONS: tuple[Action, ...] = ("turn_left", "turn_right", "nod", "blink", "smile")
HEAD: tuple[Action, ...] = ("turn_left", "turn_right", "nod")
"""One of these is always asked for: only a head that moves shows its depth."""
TURN_DEG = 14.0
NOD_DEG = 10.0
BLINK = 0.35
SMILE = 0.6
SERIOUS = 0.3
"""Who smiles more than this from the start is not asked to smile."""
REST_DEG = 8.0
LIMIT_S = 6.0
DELAY_S = (0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Pose:
    """What the landmarks say of one frame."""

    t_s: float
    yaw_deg: float
    pitch_deg: float
    blink: float
    smile: float


class Challenge:
    """One challenge; `feed` every frame, then look at `prompt`, `passed` and `failed`.

    `asked` fixes the sequence (to judge a recording); without it `count` different
    actions (at least one) are drawn.
    """

    def __init__(
        self,
        rng: random.Random,
        count: int = 2,
        *,
        asked: Sequence[Action] | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._rng = rng
        self._count = count
        self._asked = list(asked) if asked is not None else None
        self._limit_s = limit_s
        self._rest: Pose | None = None
        self._ready_s = 0.0
        self._prompted_s: float | None = None
        self.prompt: Action | None = None
        self.passed = False
        self.failed: Reason | None = None

    def feed(self, pose: Pose) -> None:
        """The next frame. The first one is how this person looks at rest."""
        if self.passed or self.failed is not None:
            return
        if self._rest is None:
            self._rest = pose
            self._asked = self._asked if self._asked is not None else self._draw(pose)
            self._wait(pose.t_s)
        if self.prompt is None:
            self._await_rest(pose)
        else:
            self._judge(pose, self.prompt)

    def _draw(self, pose: Pose) -> list[Action]:
        able = [action for action in ACTIONS if action != "smile" or pose.smile < SERIOUS]
        head = self._rng.choice(HEAD)
        rest = self._rng.sample(
            [action for action in able if action != head], min(self._count, len(able)) - 1
        )
        drawn = [head, *rest]
        self._rng.shuffle(drawn)
        return drawn

    def _wait(self, t_s: float) -> None:
        self.prompt = None
        self._prompted_s = t_s
        self._ready_s = t_s + self._rng.uniform(*DELAY_S)

    def _await_rest(self, pose: Pose) -> None:
        """The next action is asked for only of somebody at rest: what was going on already does not count."""
        if not self._asked:
            self.passed = True
        elif pose.t_s - (self._prompted_s or 0.0) > self._limit_s:
            self.failed = "too_slow"
        elif pose.t_s >= self._ready_s and self._at_rest(pose):
            self.prompt, self._prompted_s = self._asked.pop(0), pose.t_s

    def _judge(self, pose: Pose, wanted: Action) -> None:
        done = self._done(pose)
        if wanted in done:
            if self._asked:
                self._wait(pose.t_s)
            else:
                self.prompt, self.passed = None, True
        elif done - {"blink", "smile"}:  # everybody blinks, and being asked to nod makes people smile
            self.failed = "wrong_action"
        elif pose.t_s - (self._prompted_s or 0.0) > self._limit_s:
            self.failed = "too_slow"

    def _done(self, pose: Pose) -> set[Action]:
        if self._rest is None:
            return set()
        yaw, pitch = pose.yaw_deg - self._rest.yaw_deg, pose.pitch_deg - self._rest.pitch_deg
        found: set[Action] = set()
        if abs(yaw) >= TURN_DEG:
            found.add("turn_left" if yaw > 0 else "turn_right")
        elif pitch >= NOD_DEG:
            found.add("nod")
        if pose.blink >= BLINK and self._rest.blink < BLINK / 2:
            found.add("blink")
        if pose.smile >= SMILE and self._rest.smile < SERIOUS:
            found.add("smile")
        return found

    def _at_rest(self, pose: Pose) -> bool:
        if self._rest is None:
            return False
        still = max(abs(pose.yaw_deg - self._rest.yaw_deg), abs(pose.pitch_deg - self._rest.pitch_deg))
        return still < REST_DEG and pose.blink < BLINK
