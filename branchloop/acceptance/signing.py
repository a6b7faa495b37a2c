"""Acceptance reports, signed and verified: ECDSA P-256 over the canonical text (`branchloop.acceptance.report`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.acceptance.report import FORMAT, Report, canonical, parse_report, read_tree
from branchloop.clock import FUTURE_LIMIT_MS, iso
from branchloop.errors import InputError
from branchloop.keys.box import holds, sign_bytes
from branchloop.keys.sealing import decode, fingerprint, raw_public


def sign_report(key: ec.EllipticCurvePrivateKey, body: Mapping[str, Any]) -> str:
    """A report's JSON text: `body` (the fields of `Report`) with `format`, `signed_by` and `signature`.

    Raises InputError when the result would be no report.
    """
    signed = {**body, "format": FORMAT, "signed_by": fingerprint(raw_public(key.public_key()))}
    signed["signature"] = sign_bytes(key, canonical(signed))
    text = json.dumps(signed, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"
    parse_report(text)
    return text


def verify_report(text: str, public_raw: bytes, now_ms: int) -> Report:
    """The report, if `public_raw` (65 bytes) signed exactly this and it is in force at `now_ms`.

    Raises InputError, in one sentence, for what is tampered, another key's, expired or dated in the future.
    """
    tree = read_tree(text)
    signature = tree.get("signature")
    if not isinstance(signature, str):
        raise InputError("the report is not signed.", hint="Give the file as it was made.")
    short = fingerprint(public_raw)
    if tree.get("signed_by") != short:
        raise InputError(
            f"the report is signed by another key than {short[:8]}…, or was tampered with.",
            hint="Give the public key of whoever measured.",
        )
    if not holds(public_raw, decode(signature), canonical(tree)):
        raise InputError(
            "the report was tampered with: its signature does not hold.",
            hint="Do not rely on it; ask for the original.",
        )
    report = parse_report(text)
    if report.made_at_ms > now_ms + FUTURE_LIMIT_MS:
        raise InputError(
            f"the report is dated in the future: {iso(report.made_at_ms)}.",
            hint="Check this machine's clock.",
        )
    if now_ms >= report.expires_at_ms:
        raise InputError(
            f"the report expired on {iso(report.expires_at_ms)[:10]}.", hint="Measure the site again."
        )
    return report
