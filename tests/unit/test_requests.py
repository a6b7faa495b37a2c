"""What follows what in a request, and how an amount is written."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from branchloop.errors import ConflictError
from hub.loop.requests import ISSUED, OPEN, State, Step, after, done_already, shown_amount

ENDED = {"declined", "withdrawn", "expired"}


@pytest.mark.parametrize(("state", "step"), list(product(get_args(State), get_args(Step))))
def test_what_has_ended_stays_so(state: State, step: Step) -> None:
    """Nothing leads out of an end; any other step leads to where repeating it changes nothing."""
    if state in ENDED:
        with pytest.raises(ConflictError, match=f"the request is {state}"):
            after(state, step)
        return
    with contextlib.suppress(ConflictError):
        assert done_already(after(state, step), step)


def test_the_two_ways_to_the_end() -> None:
    assert after("asked", "fulfil") == after(after("asked", "check"), "fulfil") == "ready"
    assert after("ready", "collect") == "collected"
    assert {after(state, "withdraw") for state in OPEN | ISSUED} == {"withdrawn"}


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00"),
        ("52000.00", "52,000.00"),
        ("52000.005", "52,000.005"),
        ("999999999999999.99", "999,999,999,999,999.99"),
    ],
)
def test_an_amount_is_never_rounded(amount: str, shown: str) -> None:
    assert shown_amount(amount) == shown


@given(st.decimals(min_value=0, max_value=10**14, places=3, allow_nan=False, allow_infinity=False))
def test_a_shown_amount_is_the_amount(amount: Decimal) -> None:
    assert Decimal(shown_amount(f"{amount:f}").replace(",", "")) == amount
