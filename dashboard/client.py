"""The dashboard's only door: the hub's API over HTTP, with typed failures."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT_S = 5.0
IDLE_S = 3.0
"""The hub closes a connection that is idle for 5 s: none is used that may be closing."""

TOKEN = re.compile(r"[!-~]{1,4096}")
"""What a request's header can carry; anything else is nobody's token."""


class Unreachable(Exception):  # noqa: N818 - a state of the world, not a fault of the code
    """The hub does not answer."""


class Distrusted(Unreachable):
    """Its certificate is not believed, for a reason in OpenSSL's words."""


class Refused(Exception):  # noqa: N818
    """The token may not see this."""


class Unknown(Refused):
    """There is no such token, or no longer."""


class Problem(Exception):  # noqa: N818
    """The hub said no, with its reason."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the floor and its place on the plan: x0, y0, x1, y1 in metres."""

    data: bytes
    media: str
    bounds_m: tuple[float, float, float, float]


def connections() -> httpx.Client:
    """Connections to the hub, for all viewers of a process: to make them anew costs 50 ms of TLS set-up."""
    trusted = httpx.create_ssl_context(trust_env=False)
    trusted.load_default_certs()  # what the system believes, or SSL_CERT_FILE: a bank has its own authority there
    return httpx.Client(verify=trusted, timeout=TIMEOUT_S, limits=httpx.Limits(keepalive_expiry=IDLE_S))


class Hub:
    """One viewer's view of the hub; nothing is cached beyond a call."""

    def __init__(self, api: str, token: str, http: httpx.Client) -> None:
        self._api = api.rstrip("/")
        self._token = token
        self._http = http

    def branches(self) -> list[dict[str, Any]]:
        """All branches in scope."""
        page = self._get("/api/v1/branches")
        items: list[dict[str, Any]] = page["items"]
        while page["next"] is not None:
            page = self._get("/api/v1/branches", {"after": page["next"]})
            items += page["items"]
        return items

    def branch(self, site: str) -> dict[str, Any]:
        """Plan, lines, zones, cameras and sensors of a branch."""
        return self._get(f"/api/v1/branches/{site}")

    def live(self, site: str) -> dict[str, Any]:
        """What is the case right now."""
        return self._get(f"/api/v1/branches/{site}/live")

    def heat(self, site: str, start: str, end: str, layer: str = "presence") -> dict[str, Any]:
        """Person·seconds per cell between two moments (RFC 3339), of `presence` or `filled`."""
        return self._get(f"/api/v1/branches/{site}/heat", {"from": start, "to": end, "layer": layer})

    def flow(self, site: str, start: str, end: str) -> dict[str, Any]:
        """Which way people walked, by cell."""
        return self._get(f"/api/v1/branches/{site}/flow", {"from": start, "to": end})

    def queues(self, site: str, start: str, end: str, bucket: str) -> dict[str, Any]:
        """Lengths, waits and abandonment of every queue."""
        return self._get(f"/api/v1/branches/{site}/queues", {"from": start, "to": end, "bucket": bucket})

    def birdseye(self, site: str) -> Picture | None:
        """The floor seen from above without people; None when there is none, or it may not be seen."""
        answer = self._picture(f"/api/v1/branches/{site}/birdseye")
        if answer is None:
            return None
        x0, y0, x1, y1 = (float(value) for value in answer.headers["x-bounds-m"].split(","))
        return Picture(answer.content, answer.headers["content-type"], (x0, y0, x1, y1))

    def ask_birdseye(self, site: str) -> dict[str, Any]:
        """Ask the box for a fresh one."""
        return self._ask("POST", f"/api/v1/branches/{site}/birdseye", body={})

    def pictures(self, site: str) -> list[dict[str, Any]]:
        """Which pictures without people there are, and what became of the requests."""
        items: list[dict[str, Any]] = self._get(f"/api/v1/branches/{site}/pictures")["items"]
        return items

    def footfall(self, site: str, start: str, end: str, bucket: str) -> dict[str, Any]:
        """Crossings of the entrances by bucket."""
        return self._get(f"/api/v1/branches/{site}/footfall", {"from": start, "to": end, "bucket": bucket})

    def zones(self, site: str, start: str, end: str) -> dict[str, Any]:
        """Visits and dwell of every zone."""
        return self._get(f"/api/v1/branches/{site}/zones", {"from": start, "to": end})

    def quality(self, site: str, days: int) -> dict[str, Any]:
        """Whether the counts can be trusted, over the last days."""
        return self._get(f"/api/v1/branches/{site}/quality", {"days": str(days)})

    def board(self, site: str) -> dict[str, Any]:
        """The day's appointments, names masked."""
        return self._get(f"/api/v1/branches/{site}/board")

    def step(self, site: str, appointment: str, step: str) -> dict[str, Any]:
        """`arrive`, `call`, `recall`, `park`, `resume`, `leave` or `serve` somebody."""
        path = f"/api/v1/branches/{site}/appointments/{appointment}/{step}"
        return self._ask("POST", path, body={})

    def funnel(self, site: str, start: str, end: str, by: str) -> dict[str, Any]:
        """Journeys that began between two moments, by stage and group."""
        return self._get(f"/api/v1/branches/{site}/funnel", {"from": start, "to": end, "by": by})

    def service(self, site: str, day: str) -> dict[str, Any]:
        """A day of service: waits, visits and outcomes by service, beside what the floor saw."""
        return self._get(f"/api/v1/branches/{site}/service", {"day": day})

    def crowding(self, site: str) -> dict[str, Any]:
        """How busy the branch is now, and the hours ahead."""
        return self._get(f"/api/v1/branches/{site}/crowding")

    def walk_in(self, site: str, service: str, language: str) -> dict[str, Any]:
        """A ticket for somebody without an appointment."""
        body = {"service": service, "language": language}
        return self._ask("POST", f"/api/v1/branches/{site}/walk-ins", body=body)

    def finish(self, site: str, appointment: str, outcome: str) -> dict[str, Any]:
        """The visit is over, and what it came to."""
        path = f"/api/v1/branches/{site}/appointments/{appointment}/finish"
        return self._ask("POST", path, body={"outcome": outcome})

    def configuration(self, site: str) -> dict[str, Any]:
        """The newest configuration, what is wanted of the box, what it runs."""
        return self._get(f"/api/v1/branches/{site}/configuration")

    def check(self, site: str, text: str) -> dict[str, Any]:
        """Every fault of a site file's text."""
        return self._ask("POST", f"/api/v1/branches/{site}/configuration/check", body={"text": text})

    def save(self, site: str, text: str, base: int, note: str, *, publish: bool) -> dict[str, Any]:
        """Keep a text as the next version, and let the box take it over."""
        body = {"text": text, "base": base, "note": note, "publish": publish}
        return self._ask("POST", f"/api/v1/branches/{site}/configuration", body=body)

    def publish(self, site: str, version: int) -> dict[str, Any]:
        """Let the box take a saved version over."""
        return self._ask("POST", f"/api/v1/branches/{site}/configuration/{version}/publish", body={})

    def roll_back(self, site: str, version: int) -> dict[str, Any]:
        """Publish an old text as a new version."""
        return self._ask("POST", f"/api/v1/branches/{site}/configuration/{version}/rollback", body={})

    def background(self, site: str, camera: str) -> bytes | None:
        """A camera's picture without people; None when there is none yet."""
        answer = self._picture(f"/api/v1/branches/{site}/cameras/{camera}/background")
        return None if answer is None else answer.content

    def ask_background(self, site: str, camera: str) -> dict[str, Any]:
        """Ask the box for a fresh one."""
        return self._ask("POST", f"/api/v1/branches/{site}/cameras/{camera}/background", body={})

    def _picture(self, path: str) -> httpx.Response | None:
        answer = self._send("GET", path)
        if answer.status_code in {401, 403, 404}:
            return None
        if answer.status_code >= 400:
            raise Unreachable(f"HTTP {answer.status_code}")
        return answer

    def _get(self, path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        return self._ask("GET", path, query)

    def _ask(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = self._send(method, path, query, body)
        if answer.status_code == 401:
            raise Unknown
        if answer.status_code == 403:
            raise Refused
        if answer.status_code >= 500:
            raise Unreachable(f"HTTP {answer.status_code}")
        told: dict[str, Any] = answer.json()
        if answer.status_code >= 400:
            raise Problem(" ".join(filter(None, [told.get("detail"), told.get("hint")])))
        return told

    def _send(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        if TOKEN.fullmatch(self._token) is None:
            raise Unknown
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            return self._http.request(method, self._api + path, params=query, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise _away(error) from error


def _away(error: BaseException) -> Unreachable:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Distrusted(cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    return Unreachable(str(error))
