"""Signing a PDF by PAdES (ETSI EN 319 142, level B-B), and telling whether a signed one is unchanged.

No time is stamped by a third party: the time of signing is the hub's own word. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import keys, pem, x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from branchloop.errors import ConfigError, InputError

FIELD = "Bank"
for _library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_library).setLevel(
        logging.CRITICAL
    )  # what is wrong with a document is the verdict's to say


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a PDF's signature says. `unchanged`: every byte is as it was signed, and nothing was added after."""

    signer: str
    signed: str | None
    unchanged: bool
    trusted: bool

    @property
    def genuine(self) -> bool:
        """Whether it is the trusted signer's, as it was signed."""
        return self.unchanged and self.trusted


class Signer:
    """The bank's document key with its certificate."""

    def __init__(self, key_pem: bytes, chain_pem: bytes) -> None:
        """Raises ConfigError when they are none, or do not belong together."""
        try:
            private = serialization.load_pem_private_key(key_pem, None)
            der = private.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            chain = certificates(chain_pem)
        except (ValueError, TypeError) as error:
            raise ConfigError(
                "the document key or its certificate cannot be read.",
                hint="Make them: branchloop keys document.",
            ) from error
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if not chain or chain[0].public_key.dump() != public:
            raise ConfigError(
                "the document certificate is not that of the document key.",
                hint="documents.cert_file begins with the key's own certificate.",
            )
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        registry.register_multiple(chain[1:])
        self._signer = signers.SimpleSigner(chain[0], keys.PrivateKeyInfo.load(der), registry)
        self.chain = chain

    def sign(self, pdf: bytes) -> bytes:
        """The PDF with a certifying signature: no later change is allowed. Raises ConfigError when it cannot be made."""
        meta = signers.PdfSignatureMetadata(
            field_name=FIELD, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )  # fmt: skip
        try:
            made = signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), meta, self._signer)
        except SigningError as error:
            raise ConfigError(
                f"the document key cannot sign: {error}.", hint="Check documents.key_file."
            ) from error
        content: bytes = made.getvalue()
        return content


def certificates(content: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file, in its order. Raises ValueError."""
    return [
        x509.Certificate.load(der)
        for kind, _, der in pem.unarmor(content, multiple=True)
        if kind == "CERTIFICATE"
    ]


def read_trusted(path: Path) -> list[x509.Certificate]:
    """Certificates to trust. Raises InputError when the file has none."""
    try:
        found = certificates(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except ValueError:
        found = []
    if not found:
        raise InputError(
            f"{path} holds no certificate.", hint="Give the document-root.crt of `branchloop keys document`."
        )
    return found


def verify(pdf: bytes, trusted: list[x509.Certificate], now_ms: int) -> Verdict:
    """Who signed a PDF, and whether it is unchanged. Raises InputError when it is no PDF, or not signed."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    context = ValidationContext(
        trust_roots=trusted,
        allow_fetching=False,
        revocation_mode="soft-fail",
        moment=at,
    )
    try:
        signatures = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        if not signatures:
            raise InputError("this PDF is not signed.", hint="A document of the bank always is.")
        if len(signatures) > 1:
            raise InputError("this PDF was signed again after the bank.", hint="Ask for the document anew.")
        status = validate_pdf_signature(signatures[0], signer_validation_context=context)
    except (
        PdfError,
        SignatureValidationError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
    ) as error:
        raise InputError(
            f"this cannot be read as a signed PDF: {error}.", hint="It may be damaged, or no PDF."
        ) from error
    life = status.signing_cert["tbs_certificate"]["validity"]
    in_time = (
        life["not_before"].native <= at <= life["not_after"].native
    )  # not looked at where it is trusted itself
    said = status.signer_reported_dt
    whole = status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    return Verdict(
        signer=str(status.signing_cert.subject.native.get("common_name", "?")),
        signed=None if said is None else said.isoformat(),
        unchanged=bool(status.intact and status.valid and whole),
        trusted=bool(status.trusted and in_time),
    )
