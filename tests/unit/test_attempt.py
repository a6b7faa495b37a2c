"""Living heads and attacks before the kiosk's camera, as pixels. The heads are rendered, so this is a software test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from attacks import Customer, attempt, cut_out, on_tablet, other_action, planar, plane, stills, swapped
from reference import FACES, MINIFASNET, PAD, needs_reference

from edge.evaluate.liveness import evaluate_liveness
from edge.perceive.faces.attempt import Attempt
from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker


@pytest.fixture(scope="module")
def engine() -> FaceEngine:
    return FaceEngine()


@pytest.fixture(scope="module")
def landmarker() -> Iterator[Landmarker]:
    with Landmarker() as one:
        yield one


@pytest.fixture(scope="module")
def customer() -> Customer:
    return Customer.load()


def test_who_does_what_is_asked_is_let_through(
    engine: FaceEngine, landmarker: Landmarker, customer: Customer
) -> None:
    """Ten challenges of two actions each: all passed by the one who follows them."""
    ends = [attempt(customer.obeying(), engine, landmarker, seed) for seed in range(10)]
    assert [state.reason for state in ends if state.kind != "done"] == []


def test_flat_pictures_are_turned_away(
    engine: FaceEngine, landmarker: Landmarker, customer: Customer
) -> None:
    """Stills, prints turned, nodded, zoomed, shifted, rolled, bent, cut out: none is accepted."""
    ends = Counter()
    for seed in range(8):
        name, show = planar(customer.segment("neutral")[0], seed)
        ends[name, attempt(show, engine, landmarker, seed).kind] += 1
    assert not [name for name, kind in ends if kind == "done"]


def test_recordings_of_something_else_are_turned_away(
    engine: FaceEngine, landmarker: Landmarker, customer: Customer
) -> None:
    """A replay of the wrong action."""
    for seed in range(4):
        state = attempt(customer.obeying(twist=other_action), engine, landmarker, seed)
        assert (state.kind, state.reason) in {("rejected", "wrong_action"), ("rejected", "too_slow")}


@needs_reference
@pytest.mark.reference
def test_another_face_in_the_middle_is_noticed(
    engine: FaceEngine, landmarker: Landmarker, customer: Customer
) -> None:
    """After the good frames somebody else steps in; the challenge does not count for them."""
    others = stills(iter(sorted(FACES.glob("*/*_0002.jpg"))[:4]))
    for seed, other in enumerate(others):
        state = attempt(swapped(customer.obeying(), other, 0.6), engine, landmarker, seed)
        assert state.kind == "rejected"
        assert state.reason in {"face_changed", "face_lost", "too_slow", "wrong_action"}


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda image: np.full_like(image, 120), "no_face"),
        (lambda image: (image * 0.12).astype(np.uint8), "dark"),
        (lambda image: np.hstack([image[:, 60:380], image[:, 60:380]]), "two_faces"),
        (lambda image: plane(image, zoom=0.25), "too_far"),
        (lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 9), np.uint8), "blurred"),
    ],
)
def test_a_picture_that_is_not_good_enough_is_said_to_be_so(
    engine: FaceEngine, landmarker: Landmarker, customer: Customer, spoil: object, verdict: str
) -> None:
    """Each fault has its own verdict, and nothing is embedded meanwhile."""
    assert callable(spoil)
    one = Attempt(engine, landmarker, challenge=None)
    state = one.feed(spoil(customer.segment("neutral")[0]), 0.0)
    assert (state.kind, state.verdict) == ("look", verdict)
    assert one.embeddings == []


@needs_reference
@pytest.mark.reference
def test_a_passive_model_judges_its_own_samples(tmp_path: Path) -> None:
    """The reference model is right about one live face and two attacks; without it a still is refused."""
    rows = [("image_T1.jpg", "live"), ("image_F1.jpg", "attack"), ("image_F2.jpg", "attack")]
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "path,label,species\n" + "".join(f"{PAD / name},{label},sample\n" for name, label in rows)
    )
    with_model = evaluate_liveness(manifest, sorted(MINIFASNET.glob("*.onnx")))
    assert (with_model["apcer"], with_model["bpcer"]) == (0.0, 0.0)
    alone = evaluate_liveness(manifest)
    assert (alone["apcer"], alone["bpcer"]) == (0.0, 1.0)


def test_a_tablet_and_a_cut_out_are_pictures_of_a_face(engine: FaceEngine, customer: Customer) -> None:
    """The attacks show a face that the detector finds: they are refused for better reasons."""
    still = customer.segment("neutral")[0]
    assert engine.detect(on_tablet(still, 0.0))
    assert engine.detect(cut_out(still))
