"""Detectors: the shipped one finds people, changed and unknown models are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from reference import RETAIL, YOLOX, needs_reference

from branchloop.errors import InputError
from branchloop.share import share
from edge.accuracy.mot import iou
from edge.evaluate.people import read_mot
from edge.perceive import people
from edge.perceive.camera import open_clip
from edge.perceive.detectors import nanodet as nanodet_module
from edge.perceive.detectors.boxes import thin
from edge.perceive.detectors.weights import MODELS, load_weights, shipped
from edge.perceive.people import Detector, load_detector


@pytest.fixture(scope="module")
def nanodet() -> Detector:
    return load_detector("nanodet")


def frame_of_the_sample(number: int) -> np.ndarray:
    return next(f.image for f in open_clip(share("sample_video/plaza.mp4")).frames if f.index == number - 1)


def found(detector: Detector, number: int = 430, score: float = 0.4) -> list[bool]:
    """Which of the true people of a frame a detector finds."""
    ids, truth = read_mot(share("sample_video/plaza_truth.txt"))[number]
    boxes = detector.detect(frame_of_the_sample(number))
    boxes = boxes[boxes[:, 4] >= score]
    overlap = iou(truth, np.column_stack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]]).astype(float))
    assert len(ids) == 3
    return [bool(row.max(initial=0) > 0.5) for row in overlap]


def test_the_shipped_detector_finds_the_people_of_the_sample(nanodet: Detector) -> None:
    """All three people of the truth file, on real footage."""
    assert found(nanodet) == [True, True, True]


@needs_reference
@pytest.mark.parametrize("path", [YOLOX, RETAIL], ids=["yolox", "retail"])
def test_the_reference_detectors_load_by_path(path: Path) -> None:
    """YOLOX as ONNX and person-detection-retail through OpenVINO give boxes in the same form."""
    assert sum(found(load_detector(str(path)), score=0.3)) >= 2


@needs_reference
def test_a_reshaped_model_still_finds_them() -> None:
    """An OpenVINO model takes another input size."""
    assert found(load_detector(str(RETAIL), input_size=(1024, 768)), score=0.3) == [True, True, True]


def test_every_processor_finds_the_same_boxes(nanodet: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """As this one is run by default, and summed as for one without VNNI: equal to the last bit."""
    monkeypatch.setattr(people, "_sums_exactly", lambda: False)
    careful = load_detector("nanodet")
    for number in (1, 200, 430):
        picture = frame_of_the_sample(number)
        boxes = nanodet.detect(picture)
        assert len(boxes)
        assert (careful.detect(picture) == boxes).all()


def test_boxes_lie_in_the_picture_and_repeat(nanodet: Detector) -> None:
    """(n, 5), clipped, best first, the same every time; any picture shape will do."""
    image = frame_of_the_sample(200)
    boxes = nanodet.detect(image)
    assert boxes.shape[1] == 5
    assert boxes.dtype == np.float32
    assert (boxes[:, :4] >= 0).all()
    assert (boxes[:, [0, 2]] <= image.shape[1]).all()
    assert (boxes[:, [1, 3]] <= image.shape[0]).all()
    assert (np.diff(boxes[:, 4]) <= 0).all()
    assert np.array_equal(boxes, nanodet.detect(image))
    tall = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
    assert (nanodet.detect(np.ascontiguousarray(tall))[:, 2] <= tall.shape[1]).all()


def test_an_empty_hall_is_empty(nanodet: Detector) -> None:
    """Grey is nobody."""
    grey = np.full((480, 640, 3), 128, np.uint8)
    assert len(load_detector("nanodet", score_floor=0.3).detect(grey)) == 0
    assert nanodet.detect(grey).shape[1] == 5
    with pytest.raises(ValueError, match="a picture is"):
        nanodet.detect(np.zeros((0, 0, 3), np.uint8))


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (480, 640), (300, 300), (1000, 40)])
def test_the_input_has_the_pictures_shape(nanodet: Detector, size: tuple[int, int]) -> None:
    """Whatever the shape of the picture, the same people stand where they stood, to a few pixels."""
    image = cv2.resize(frame_of_the_sample(430), (768, 576))
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    scale = min(size[0] / 768, size[1] / 576)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas[: small.shape[0], : small.shape[1]] = small
    boxes = nanodet.detect(canvas)
    assert (boxes[:, [1, 3]] <= size[1]).all()
    if scale > 0.4:
        sure = nanodet.detect(image)
        sure = sure[sure[:, 4] > 0.6]
        overlap = iou(
            np.column_stack([sure[:, :2], sure[:, 2:4] - sure[:, :2]]).astype(float),
            np.column_stack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]]).astype(float) / scale,
        )
        assert overlap.max(axis=1).min() > 0.6


def test_nanodet_is_known_by_its_shapes() -> None:
    """Slimmed or not; other inputs and other heads are another model."""
    square = [(1, 3, 416, 416)], [(1, n, w) for n in (2704, 676, 169) for w in (80, 44)]
    slim = [(1, 3, "height", "width")], [(1, f"cells{n}", w) for n in (8, 16, 32) for w in (1, 44)]
    assert nanodet_module.is_known(*square)
    assert nanodet_module.is_known(*slim)
    assert not nanodet_module.is_known([(1, 3, 320, 320)], square[1])
    assert not nanodet_module.is_known(square[0], square[1][:5])


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    """One flipped byte is enough."""
    file, digest = shipped()["nanodet"]
    content = bytearray((MODELS / file).read_bytes())
    content[1000] ^= 1
    changed = tmp_path / "nanodet.onnx"
    changed.write_bytes(content)
    with pytest.raises(InputError, match="expected"):
        load_weights(changed, digest)
    assert digest in (MODELS / "NANODET.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 50])
def test_rubbish_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no ONNX model gets one sentence."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not an ONNX model"):
        load_detector(str(path))


def test_a_model_of_unknown_shape_is_refused(tmp_path: Path) -> None:
    """An ONNX model that is no detector names the shapes it has."""
    path = tmp_path / "identity.onnx"
    path.write_bytes(_identity_model())
    with pytest.raises(InputError, match="not a detector that is known here"):
        load_detector(str(path))


def test_a_missing_model_names_the_shipped_ones() -> None:
    """A name that is neither is answered with those that are."""
    with pytest.raises(InputError, match="nanodet"):
        load_detector("yolov99")


def test_overlapping_boxes_are_thinned() -> None:
    """Non-maximum suppression keeps the better of two, and both of two that stand apart."""
    boxes = np.array([[0, 0, 10, 20, 0.5], [1, 0, 11, 20, 0.9], [50, 0, 60, 20, 0.4]], np.float32)
    assert thin(boxes, 0.6, (100, 100))[:, 4].tolist() == pytest.approx([0.9, 0.4])
    assert thin(boxes[:0], 0.6, (100, 100)).shape == (0, 5)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _identity_model() -> bytes:
    """A valid ONNX model with one Identity node, written as protobuf by hand: `onnx` is no dependency."""

    def value(name: bytes) -> bytes:
        shape = b"".join(_field(1, _field(1, size)) for size in (1, 3, 8, 8))
        return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))

    node = _field(1, b"x") + _field(2, b"y") + _field(4, b"Identity")
    graph = _field(1, node) + _field(2, b"g") + _field(11, value(b"x")) + _field(12, value(b"y"))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13))
