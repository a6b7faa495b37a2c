"""Libraries of models report nothing to their makers, and keep nothing about the machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

REPORT_S = 25.0
DETECT = """
import numpy as np
from edge.perceive.people import load_detector
load_detector("nanodet").detect(np.full((576, 768, 3), 127, np.uint8))
"""
LANDMARKS = """
import sys
from edge.perceive import silence
silence.NOWHERE = sys.argv[1]
from edge.perceive.faces.landmarks import Landmarker
Landmarker().close()
sys.stdin.read()
"""


def at_home(home: Path) -> dict[str, str]:
    """An environment in which nobody has decided anything."""
    kept = {
        k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith(("ORT_", "XDG_"))
    }
    return {**kept, "HOME": str(home)}


def test_the_detector_keeps_no_identifier_of_the_machine(tmp_path: Path) -> None:
    """ONNX Runtime would make one, and a store of what it is about to report."""
    subprocess.run([sys.executable, "-c", DETECT], env=at_home(tmp_path), check=True, timeout=120)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()] == []


def test_what_mediapipe_reports_goes_nowhere(tmp_path: Path) -> None:
    """It asks the proxy that it was given, which in a branch takes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(REPORT_S)
        child = subprocess.Popen(
            [sys.executable, "-c", LANDMARKS, f"http://127.0.0.1:{proxy.getsockname()[1]}"],
            env=at_home(tmp_path), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            asked, _ = proxy.accept()
            with asked:
                assert asked.recv(1_000).startswith(b"CONNECT ")
        except TimeoutError:
            pytest.skip("this MediaPipe reports nothing")
        finally:
            child.communicate(timeout=60)
    assert child.returncode == 0
