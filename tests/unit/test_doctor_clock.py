"""A box's doctor says whether its machine's clock is set by the network, where the kernel tells."""

from __future__ import annotations

from edge.doctor.clock import examine_clock, kernel_state


def test_a_clock_that_nobody_sets_is_warned_of() -> None:
    assert [each["state"] for each in examine_clock(lambda: 0)] == ["good"]
    (found,) = examine_clock(lambda: 5)
    assert found["state"] == "warn"
    assert "NTP" in found["text"]
    assert examine_clock(lambda: -1) == []
    assert kernel_state() in range(-1, 6)
