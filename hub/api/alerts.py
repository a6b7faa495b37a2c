"""An alert as the API tells it."""

from __future__ import annotations

from branchloop.clock import iso
from hub.api.models.answers import AlertAnswer
from hub.store.figures.alerts import StoredAlert


def alerted(alert: StoredAlert) -> AlertAnswer:
    """An alert as told."""
    return AlertAnswer(
        id=alert.id,
        kind=alert.kind,
        subject=alert.subject,
        raised=iso(alert.raised_ms),
        cleared=None if alert.cleared_ms is None else iso(alert.cleared_ms),
        tainted=list(alert.tainted),
        evidence=dict(alert.evidence),
    )
