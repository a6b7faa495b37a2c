"""The one door to ONNX Runtime: on the processor, on as many threads as given, and silent towards its maker."""

from __future__ import annotations

from typing import TypeAlias

from edge.perceive.silence import keep_silent

keep_silent()

import onnxruntime  # noqa: E402 - not before the line above

Session: TypeAlias = onnxruntime.InferenceSession


class UnreadableModelError(ValueError):
    """These bytes are no model that can be run."""


def open_session(content: bytes, threads: int = 1, *, careful: bool = False) -> Session:
    """A model ready to run. `careful`: 8-bit products are summed without saturating, at twice the cost.

    Raises UnreadableModelError.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if careful:
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class of their own
        raise UnreadableModelError(str(error)) from error
