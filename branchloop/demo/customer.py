"""The demo's customer: books online, consents, and sends three photos that only the kiosk can open.

Everything goes the way of a real customer's browser: through the hub's API, sealed to the kiosk's signed
key. The person is a public-domain portrait of NASA's, see sample_video/LICENSE.md.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from branchloop.errors import DependencyError
from branchloop.keys.box import verify_box_key
from branchloop.keys.sealing import decode, fingerprint, photo_context, seal
from branchloop.wire.arrivals import BoxCertificate

CUSTOMER = "Eileen Collins"
OTHERS = ("王小明", "李芳", "Anna Schmidt")
SERVICE = "account"


@dataclass(frozen=True, slots=True)
class Booking:
    """An appointment as its customer knows it."""

    id: str
    code: str
    booking_no: str
    qr: str


class DemoCustomer:
    """A customer of one branch. Every method raises DependencyError when the hub does not answer."""

    def __init__(self, api: str, staff_token: str, site: str) -> None:
        self._api = api
        self._staff = staff_token
        self._site = site

    def book(self, name: str, title: str | None = None) -> Booking:
        """The next free slot, so that the customer may come at once."""
        today = datetime.now(UTC)
        for day in (today.date(), (today + timedelta(days=1)).date()):
            slots = self._ask(f"/api/v1/branches/{self._site}/slots?service={SERVICE}&day={day}")["items"]
            for slot in slots:
                start = datetime.fromisoformat(slot["start"])
                if slot["free"] and start > today:
                    body = {"service": SERVICE, "start": slot["start"], "name": name}
                    booked = self._ask(
                        f"/api/v1/branches/{self._site}/appointments",
                        {**body, **({"title": title} if title else {})},
                    )
                    return Booking(booked["id"], booked["code"], booked["booking_no"], booked["qr"])
        raise DependencyError(
            "the demo branch has no free slot.", hint="Start it with another --data folder."
        )

    def enrol(self, booking: Booking, photos: list[bytes], root_public: str) -> str:
        """Consent and send sealed photos; returns the address of the customer's own page."""
        path = f"/api/v1/branches/{self._site}/appointments/{booking.id}/enrolment"
        url: str = self._ask(path, {})["url"]
        link = "/api/v1/enrolments/" + url.rpartition("/")[2]
        seen = self._ask(link)
        text = seen["texts"]["en"]
        kiosk = seen["kiosks"][0]
        certificate = BoxCertificate.model_validate(kiosk["certificate"])
        public = verify_box_key(decode(root_public), certificate, time.time_ns() // 1_000_000)
        sealed = [
            seal(
                public,
                photo,
                photo_context(
                    site=self._site, device=kiosk["device"], customer=seen["customer"],
                    consent=seen["consent"], key=fingerprint(public), index=index, expires_ms=seen["expires_ms"],
                ),
            )
            for index, photo in enumerate(photos)
        ]  # fmt: skip
        self._ask(
            link,
            {
                "consent": {
                    "version": text["version"], "language": "en", "sha256": text["sha256"], "agreed": True,
                    "expires_ms": seen["expires_ms"],
                },
                "device": kiosk["device"],
                "photos": [json.loads(each.to_json()) for each in sealed],
            },
        )  # fmt: skip
        return f"{self._api}{urlsplit(url).path}"

    def kiosk_known(self, booking: Booking) -> bool:
        """Whether the hub knows the kiosk's signed key, so that somebody can enrol."""
        path = f"/api/v1/branches/{self._site}/appointments/{booking.id}/enrolment"
        link = "/api/v1/enrolments/" + self._ask(path, {})["url"].rpartition("/")[2]
        return bool(self._ask(link)["kiosks"])

    def enrolled(self, page: str) -> bool:
        """Whether the kiosk has answered that it knows the face now."""
        return bool(self._ask("/api/v1/enrolments/" + page.rpartition("/")[2])["step"] == "enrolled")

    def checked_in(self, token: str) -> int:
        """How many have a ticket today."""
        board = self._ask(f"/api/v1/branches/{self._site}/board", token=token)
        return sum(item["number"] is not None for item in board["items"])

    def _ask(self, path: str, body: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the demo's own address
            self._api + path,
            headers={"Authorization": f"Bearer {token or self._staff}", "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise DependencyError(f"the hub refused {path}: {error.read().decode()[:300]}") from error
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise DependencyError(f"the hub's API did not answer {path}: {error}.") from error


def read_photos(folder: Path) -> list[bytes]:
    """The portrait's three stills."""
    return [path.read_bytes() for path in sorted(folder.glob("kiosk-*.jpg"))[:3]]
