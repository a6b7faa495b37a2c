"""Thresholds per attempt, the vote of frames, and templates that can be renewed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge.kiosk.protect import Protection
from edge.kiosk.threshold import (
    IMPOSTOR_CURVE,
    MARGIN,
    VERIFY,
    decide,
    false_match_rate,
    fpir,
    template,
    threshold,
)


def unit(rows: int, seed: int = 1) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, 128)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_curve_goes_through_what_was_measured() -> None:
    """At the measured points the rates are the measured ones."""
    for cosine, rate in IMPOSTOR_CURVE:
        assert false_match_rate(cosine) == pytest.approx(rate)


@given(st.integers(1, 5_000), st.floats(1e-5, 0.01))
def test_the_wanted_rate_is_kept_at_every_size(gallery: int, wanted: float) -> None:
    """FPIR at the threshold is at most what was asked for, and a larger gallery never lowers the threshold."""
    limit = threshold(wanted, gallery)
    assert fpir(limit.cosine, gallery) <= wanted * 1.0001
    assert limit.cosine >= VERIFY
    assert threshold(wanted, gallery + 1).cosine >= limit.cosine
    assert limit.extrapolated == (limit.cosine > IMPOSTOR_CURVE[-1][0])


def test_sixty_templates_need_more_than_a_pair() -> None:
    """.45 lets 3 % of strangers in against a gallery of 60: the threshold for 60 does not."""
    assert fpir(0.45, 60) == pytest.approx(0.031, abs=0.002)
    assert threshold(0.001, 60).cosine > 0.55


def test_frames_must_agree() -> None:
    """Three frames for one template decide; a near second, a stray vote or too few frames do not."""
    limit = threshold(0.001, 2)
    high, low = limit.cosine + 0.1, 0.1
    yes, stray = [high, low], [low, high]
    assert decide(np.array([yes, yes, yes], np.float32), limit) == 0
    assert decide(np.array([yes, yes], np.float32), limit) is None
    assert decide(np.array([yes, yes, yes, stray], np.float32), limit) is None
    near = [high, high - MARGIN / 2]
    assert decide(np.array([near, near, near], np.float32), limit) is None
    assert decide(np.zeros((0, 2), np.float32), limit) is None
    assert decide(np.zeros((3, 0), np.float32), limit) is None


@settings(max_examples=10)
@given(st.binary(min_size=16, max_size=40), st.integers(0, 1000))
def test_protection_keeps_every_cosine(key: bytes, seed: int) -> None:
    """Protected templates match as before, within what float16 rounds away."""
    vectors = unit(6, seed)
    kept = Protection(key).apply(vectors)
    np.testing.assert_allclose(kept @ kept.T, vectors @ vectors.T, atol=2e-3)


def test_templates_of_two_sites_cannot_be_linked() -> None:
    """The same faces under two keys are as unlike as strangers; a short key is refused."""
    faces = unit(200)
    one, other = Protection(b"a" * 16).apply(faces), Protection(b"b" * 16).apply(faces)
    assert abs(float(np.mean(np.sum(one * other, axis=1)))) < 0.05
    with pytest.raises(ValueError, match="protects nothing"):
        Protection(b"short")


def test_a_template_is_the_mean_of_its_images() -> None:
    """Unit length, and nearer to each image than they are to each other."""
    images = unit(1) + 0.05 * unit(3, 2)
    mean = template(list(images))
    assert np.linalg.norm(mean) == pytest.approx(1, abs=1e-5)
