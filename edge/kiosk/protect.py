"""Renewable templates: a keyed turn of the embedding space, another one for every site. Pure.

An orthogonal matrix keeps every cosine, so nothing is lost in matching; without the key, templates of two
sites cannot be linked, and a new key makes a leaked template worthless. It is not claimed to be
irreversible: who has key and template has the embedding, hence the encryption at rest.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from edge.kiosk.threshold import template


class Protection:
    """The turn of one site; `key` is secret, at least 16 bytes."""

    def __init__(self, key: bytes, size: int = 128) -> None:
        if len(key) < 16:
            raise ValueError("a key of less than 16 bytes protects nothing")
        seed = int.from_bytes(hashlib.sha256(b"branchloop/1/template" + key).digest(), "big")
        gaussian = np.random.Generator(np.random.PCG64(seed)).standard_normal((size, size))
        q, r = np.linalg.qr(gaussian)
        self._turn = q * np.sign(np.diag(r))  # uniform over the orthogonal group

    def apply(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors (…, 128) -> protected ones, rounded to float16 as they are stored."""
        turned = (embedding.astype(np.float64) @ self._turn.T).astype(np.float16).astype(np.float32)
        return turned if turned.ndim > 1 else template([turned])

    def undo(self, protected: NDArray[np.float32]) -> NDArray[np.float32]:
        """Protected unit vectors back to embeddings, to seal one to another site's box."""
        return np.asarray(protected.astype(np.float64) @ self._turn, np.float32)
