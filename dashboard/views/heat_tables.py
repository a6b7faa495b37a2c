"""The tables beside the heat: zones and queues, over one stretch of time or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from branchloop.text.catalogue import Language, duration, say
from dashboard import periods, tiles, waiting


def zone_table(branch: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], spoken: Language) -> str:
    """Visits and share of time of every zone; dwell only over one stretch of time, since medians cannot be added.

    A zone that was drawn within the time says for how much of it, and has a share only of what is all its own.
    """
    names = waiting.zone_names(branch, spoken)
    single = len(answers) == 1
    heads = ["zone", "zone.visits", *(["zone.median", "zone.p90"] if single else []), "zone.share"]
    covered = periods.coverage(answers)
    rows = []
    for at, zone in enumerate(answers[0]["items"]):
        parts = [answer["items"][at] for answer in answers]
        visits = periods.total(parts, "visits")
        named, its_own = names.get(zone["id"], zone["id"]), periods.coverage(answers, parts)
        if covered and its_own is not None and round(100 * its_own / covered) < 100:
            named += f" ({say('zone.partly', spoken, value=round(100 * its_own / covered))})"
        row = [named, "—" if visits is None else f"{visits:,}"]
        if single:
            row += [duration(zone["dwell_median_s"], spoken), duration(zone["dwell_p90_s"], spoken)]
        shared = [at_ for at_, part in enumerate(parts) if part["share"] is not None]
        stayed = periods.total([parts[at_] for at_ in shared], "person_seconds")
        floor = periods.total([answers[at_] for at_ in shared], "floor_person_seconds")
        row.append("—" if stayed is None or not floor else f"{100 * stayed / floor:.0f} %")
        rows.append(row)
    return tiles.table([say(key, spoken) for key in heads], rows)


def queue_table(branch: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], spoken: Language) -> str:
    """Every queue; waits only over one stretch of time."""
    rows = []
    for at, queue in enumerate(answers[0]["items"]):
        parts = [answer["items"][at] for answer in answers]
        counts = {key: periods.total(parts, key) for key in ("joined", "served", "abandoned", "lost")}
        rows.append({**queue, **counts})
    return waiting.table(branch, rows, spoken, quantiles=len(answers) == 1)
