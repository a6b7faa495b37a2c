"""One signed POST: taken, or a sentence that says why not. An answer's status alone decides."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import cast

import httpx

from hub.loop.delivery import signature

TOTAL_S = 15.0
"""However slowly a receiver answers, byte by byte: then it is given up for now."""
CONNECT_S = 5.0
BODY_S = 1.0
BODY_BYTES = 4096
"""What of a body is waited for and read so that its connection can be used again; beyond, it is closed."""
GONE = 410
_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
"""OpenSSL's: signed by itself, or by nobody who is known; others are of names and dates."""
_OF_AN_AUTHORITY = ": put its authority into the store of the hub's machine and start the hub anew"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; `error` None: it was taken."""

    error: str | None = None
    gone: bool = False
    retry_s: float | None = None


def client() -> httpx.AsyncClient:
    """Certificates are checked, redirects are not followed, connections are kept."""
    trusted = httpx.create_ssl_context(trust_env=False)
    trusted.load_default_certs()  # what the system believes, or SSL_CERT_FILE: a bank has its own authority there
    return httpx.AsyncClient(
        verify=trusted,
        timeout=httpx.Timeout(TOTAL_S, connect=CONNECT_S),
        limits=httpx.Limits(),  # none: receivers that hang would use up the connections of the others
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "branchloop", "Content-Type": "application/json"},
    )


async def post(
    to: httpx.AsyncClient,
    url: str,
    keys: Sequence[bytes],
    identity: str,
    body: bytes,
    total_s: float = TOTAL_S,
) -> Answer:
    """Send a body and hear whether it was taken (2xx)."""
    timestamp_s = int(time.time())
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature(keys, identity, timestamp_s, body),
    }
    status: int | None = None
    asked: str | None = None
    fault = ""
    try:
        async with asyncio.timeout(total_s), to.stream("POST", url, content=body, headers=headers) as answer:
            status, asked = answer.status_code, answer.headers.get("retry-after")
            await _read(answer)
    except TimeoutError:
        fault = f"it did not answer within {total_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        fault = _unreached(error)
    if status is None:  # what is wrong with a body is no fault of the delivery
        return Answer(fault)
    if 200 <= status < 300:
        return Answer()
    return Answer(f"it answered {status}", gone=status == GONE, retry_s=_seconds(asked))


def _unreached(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            remedy = _OF_AN_AUTHORITY if cause.verify_code in _UNKNOWN_AUTHORITY else ""
            return f"its certificate is not believed ({cause.verify_message}){remedy}"
        cause = cause.__cause__ or cause.__context__
    return f"it cannot be reached: {str(error) or type(error).__name__}"[:300]


async def _read(answer: httpx.Response) -> None:
    """As it comes, not unpacked: a few bytes can be unpacked to all the memory there is."""
    parts = cast("AsyncGenerator[bytes, None]", answer.aiter_raw())
    async with asyncio.timeout(BODY_S), aclosing(parts):
        read = 0
        async for part in parts:
            read += len(part)
            if read > BODY_BYTES:
                return


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return (
            max(0.0, float(text))
            if text.strip().isdigit()
            else max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
        )
    except (ValueError, TypeError):
        return None
