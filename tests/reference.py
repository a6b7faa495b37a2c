"""Where the reference data lie, and how a test says that they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("BRANCHLOOP_REFERENCE", Path(__file__).parents[2] / "shared"))

needs_reference = pytest.mark.skipif(
    not (ROOT / "data" / "MANIFEST.md").is_file(),
    reason=f"no reference data at {ROOT}; name their folder in BRANCHLOOP_REFERENCE",
)
PETS = ROOT / "data" / "people" / "pets09"
YOLOX = ROOT / "models" / "yolox_nano" / "yolox_nano.onnx"
RETAIL = ROOT / "models" / "person-detection-retail-0013" / "FP16" / "person-detection-retail-0013.xml"
FACES = ROOT / "data" / "faces" / "lfw10"
PAD = ROOT / "data" / "faces" / "pad_sample"
MINIFASNET = ROOT / "models" / "minifasnet"
