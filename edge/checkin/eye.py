"""What the kiosk's camera is for while somebody has asked for it: a preview, a code held up, an attempt with a face.

No picture is kept: the preview holds the last one, and only while a customer sees it.
"""

from __future__ import annotations

import random

import cv2

from branchloop.site.kiosk import Kiosk
from edge.kiosk.challenge import Challenge
from edge.perceive.faces.attempt import Attempt
from edge.perceive.faces.engine import FaceEngine, Image
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.padmodel import PadModel

PREVIEW_PX = 480


class Eye:
    """The models that look at pictures, and the attempt that is under way."""

    def __init__(self, kiosk: Kiosk, pad: PadModel | None) -> None:
        self.engine = FaceEngine()
        self.preview: bytes | None = None
        self.attempt: Attempt | None = None
        self._liveness = kiosk.liveness
        self._landmarker = Landmarker()
        self._pad = pad
        self._qr = cv2.QRCodeDetector()

    def begin(self) -> Attempt:
        """The attempt that is under way, or a new one."""
        if self.attempt is None:
            actions = self._liveness.actions
            challenge = Challenge(random.SystemRandom(), actions) if self._liveness.challenge else None
            self.attempt = Attempt(self.engine, self._landmarker, challenge=challenge, pad=self._pad)
        return self.attempt

    def rest(self) -> None:
        """Nobody wants to be seen."""
        self.preview = self.attempt = None

    def code(self, image: Image) -> str:
        """The text of a code that is held up; empty without one."""
        try:
            text, _, _ = self._qr.detectAndDecode(image)
        except cv2.error:  # some pictures make OpenCV's decoder fail; the next one may not
            return ""
        return text

    def show(self, image: Image) -> None:
        """The preview, mirrored as people see themselves."""
        scale = PREVIEW_PX / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ok, content = cv2.imencode(".jpg", cv2.flip(small, 1), [cv2.IMWRITE_JPEG_QUALITY, 75])
        self.preview = content.tobytes() if ok else None

    def close(self) -> None:
        """Release the landmarker."""
        self._landmarker.close()
