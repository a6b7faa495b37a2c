"""A service done online: asked for, checked by the bank, ready or declined; withdrawn, collected or expired. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Literal

from branchloop.errors import ConflictError

State = Literal["asked", "checking", "ready", "declined", "withdrawn", "collected", "expired"]
Step = Literal["check", "fulfil", "decline", "withdraw", "collect", "expire"]
OPEN: frozenset[State] = frozenset({"asked", "checking"})
"""The bank still has something to do."""
ISSUED: frozenset[State] = frozenset({"ready", "collected"})
"""What was asked for is done."""
MOST_OPEN = 3
"""So many requests may be open for one customer, or one phone number."""
_STEPS: Mapping[Step, tuple[frozenset[State], State]] = {
    "check": (frozenset({"asked"}), "checking"),
    "fulfil": (OPEN, "ready"),
    "decline": (OPEN, "declined"),
    "withdraw": (OPEN | ISSUED, "withdrawn"),
    "collect": (frozenset({"ready"}), "collected"),
    "expire": (frozenset({"ready"}), "expired"),
}


class TooManyRequestsError(ConflictError):
    """As many requests are open as one may have."""

    kind: ClassVar[str] = "too-many-open"


def after(state: State, step: Step) -> State:
    """The state after a step. Raises ConflictError when the step does not follow."""
    before, then = _STEPS[step]
    if state not in before:
        raise ConflictError(
            f"the request is {state}; it cannot {step} now.",
            hint=f"Only one that is {' or '.join(sorted(before))} can.",
        )
    return then


def done_already(state: State, step: Step) -> bool:
    """Whether a repeated step finds what it wants: asking twice is no fault."""
    return state == _STEPS[step][1] or (step == "fulfil" and state in ISSUED)


def shown_amount(amount: str) -> str:
    """An amount as it is printed: 52,000.00. What was given is never rounded."""
    value = Decimal(amount)
    digits = max(2, -int(value.as_tuple().exponent))
    return f"{value:,.{digits}f}"
