"""One customer's try before the camera: good frames, challenge, depth, the same face throughout.

    attempt = Attempt(engine, landmarker, challenge=Challenge(random.Random()), pad=None)
    state = attempt.feed(frame, t_s)        # until state.kind is "done" or "rejected"

`look`: `verdict` says what the picture lacks. `prompt`: `action` is asked for. `done`: `embeddings` holds unit
vectors of good frames, to be matched. `rejected`: `reason` goes to the audit line, the person is shown the
other door. Without a challenge three good frames are enough: a bank that chooses so relies on staff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.kiosk.challenge import Action, Challenge, Pose
from edge.kiosk.liveness import DEPTH, TURNED_DEG, parallax
from edge.perceive.faces.engine import Face, FaceEngine, Image
from edge.perceive.faces.landmarks import Landmarker, Landmarks
from edge.perceive.faces.padmodel import ACCEPT, PadModel
from edge.perceive.faces.quality import Verdict, judge, largest

Kind = Literal["look", "prompt", "done", "rejected"]
GOOD_FRAMES = 3
SAME_FRONT = 0.45
SAME_TURNED = 0.25
"""Cosine to the first frame below which another face has taken its place: seen from the front, and turned."""
FRONT_DEG = 12.0
LOST_S = 1.0
PATIENCE_S = 30.0
LOOK_AGAIN_S = 0.35


@dataclass(frozen=True, slots=True)
class State:
    """Where the attempt is; see the module."""

    kind: Kind
    verdict: Verdict = "ok"
    action: Action | None = None
    reason: str = ""


class Attempt:
    """One attempt; not for several threads. Nothing of it outlives it but what the caller takes."""

    def __init__(
        self,
        engine: FaceEngine,
        landmarker: Landmarker,
        *,
        challenge: Challenge | None,
        pad: PadModel | None = None,
    ) -> None:
        self._engine = engine
        self._landmarker = landmarker
        self._challenge = challenge
        self._pad = pad
        self._begun_s: float | None = None
        self._seen_s = 0.0
        self._compared_s = float("-inf")
        self._rest: Landmarks | None = None
        self._depths: list[float] = []
        self._live: list[float] = []
        self.embeddings: list[NDArray[np.float32]] = []
        self.first_good_s: float | None = None
        self.state = State("look", "no_face")

    def feed(self, image: Image, t_s: float) -> State:
        """Take the next frame (rows × columns × 3, BGR) of monotonic time."""
        if self.state.kind in {"done", "rejected"}:
            return self.state
        self._begun_s = t_s if self._begun_s is None else self._begun_s
        self.state = self._step(image, t_s)
        if self.state.kind in {"look", "prompt"} and t_s - self._begun_s > PATIENCE_S:
            self.state = State("rejected", reason="too_slow")
        return self.state

    def _step(self, image: Image, t_s: float) -> State:
        faces = self._engine.detect(image)
        face = largest(faces) if faces else None
        aligned = self._engine.align(image, face) if face is not None else None
        verdict = judge(image, faces, aligned)
        started = len(self.embeddings) >= GOOD_FRAMES
        if face is None or aligned is None or verdict == "two_faces":
            if started and t_s - self._seen_s > LOST_S:
                return State("rejected", reason="two_faces" if verdict == "two_faces" else "face_lost")
            return State("prompt", verdict, self._prompt()) if started else State("look", verdict)
        self._seen_s = t_s
        if not started:
            if verdict != "ok":
                return State("look", verdict)
            return self._collect(image, face, aligned, t_s)
        return self._challenged(image, face, aligned, t_s)

    def _collect(self, image: Image, face: Face, aligned: Image, t_s: float) -> State:
        vector = self._engine.embed(aligned)
        if self.embeddings and float(vector @ self.embeddings[0]) < SAME_FRONT:
            self.embeddings, self._live = [], []  # somebody else stepped in: begin with them
        if self.first_good_s is None or not self.embeddings:
            self.first_good_s = t_s
        self.embeddings.append(vector)
        if self._pad is not None:
            self._live.append(self._pad.live(image, face))
        if len(self.embeddings) < GOOD_FRAMES:
            return State("look", "ok")
        if self._live and float(np.mean(self._live)) < ACCEPT:
            return State("rejected", reason="passive_model")
        return State("done") if self._challenge is None else State("prompt")

    def _challenged(self, image: Image, face: Face, aligned: Image, t_s: float) -> State:
        challenge = self._challenge
        if challenge is None:
            return State("done")
        marks = self._landmarker.find(image, face)
        if marks is None:
            return State("prompt", "no_face", self._prompt())
        if self._rest is None:
            self._rest = marks
        turned = max(abs(marks.yaw_deg - self._rest.yaw_deg), abs(marks.pitch_deg - self._rest.pitch_deg))
        if t_s - self._compared_s >= LOOK_AGAIN_S:
            self._compared_s = t_s
            likeness = float(self._engine.embed(aligned) @ self.embeddings[0])
            if likeness < (SAME_FRONT if turned < FRONT_DEG else SAME_TURNED):
                return State("rejected", reason="face_changed")
        if turned >= TURNED_DEG:
            self._depths.append(parallax(self._rest.points, marks.points))
        challenge.feed(Pose(t_s, marks.yaw_deg, marks.pitch_deg, marks.blink, marks.smile))
        if challenge.failed is not None:
            return State("rejected", reason=challenge.failed)
        if challenge.passed:
            flat = (
                bool(self._depths) and float(np.median(self._depths)) < DEPTH
            )  # one misread frame is no depth
            return State("rejected", reason="flat") if flat else State("done")
        return State("prompt", "ok", challenge.prompt)

    def _prompt(self) -> Action | None:
        return self._challenge.prompt if self._challenge is not None else None
