"""Whether this machine's clock is set by the network, as its kernel knows: what counts by a wrong clock counts under wrong hours."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from branchloop.doctor_finding import Finding, good, warn

_UNSET = 5
"""TIME_ERROR of adjtimex(2): nobody says that the clock is right."""
_ROOM = 512
"""Bytes, more than any struct timex has; zeros only read."""


def kernel_state() -> int:
    """What adjtimex(2) answers; -1 where it cannot be asked."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_ROOM)))
    except (OSError, AttributeError):
        return -1


def examine_clock(state: Callable[[], int] = kernel_state) -> list[Finding]:
    """Nothing where the kernel cannot be asked."""
    found = state()
    if found < 0:
        return []
    if found != _UNSET:
        return [good("this machine's clock is set by the network")]
    return [
        warn(
            "this machine's clock is not set by the network (NTP), so after a power cut it may count under wrong hours; turn "
            "time synchronisation on (`timedatectl set-ntp true`, or chrony), and see that its clock battery holds"
        )
    ]
