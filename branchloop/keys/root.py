"""The bank's offline root: `branchloop keys root`, `sign`, `document` and `show`. Nothing here touches a network.

A kiosk makes its own key and writes a request, {"site", "device", "public"}; somebody carries it to the
machine that holds the root, signs it there, and carries the certificate back.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import Field, ValidationError

from branchloop import exits
from branchloop.clock import iso
from branchloop.errors import DependencyError, InputError, UsageError
from branchloop.finite import Finite
from branchloop.outfile import check_place, write_whole
from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.payload import Base64Url, Id, Wire

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ROOT_PEM = "root.pem"
ROOT_PUBLIC = "root.pub"
BACKUP_PEM = "backup.pem"
BACKUP_PUBLIC = "backup.pub"
DAY_MS = 86_400_000
_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")


class KeyRequest(Wire):
    """What a kiosk asks the root to sign."""

    site: Id
    device: Id
    public: Base64Url = Field(max_length=100, description="uncompressed P-256 point")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The bank's offline root, and what it signs."""
    if importlib.util.find_spec("cryptography") is None:
        raise DependencyError(
            "keys need the library cryptography.", hint="Install it: pip install cryptography."
        )


@cli.command()
@click.argument("folder", type=_FILE)
@_JSON
def root(folder: Path, as_json: bool) -> None:
    """Make the root: FOLDER/root.pem (keep it offline) and FOLDER/root.pub (for hub.toml and kiosks)."""
    _make(folder, ROOT_PEM, ROOT_PUBLIC, "root", as_json=as_json)


@cli.command()
@click.argument("root_pem", type=_FILE)
@click.argument("request", type=_FILE)
@click.option("--days", type=Finite(min=0, min_open=True, max=3_660), default=365.0, show_default=True)
@click.option("--out", type=_FILE, help="where the certificate goes; standard output without it")
def sign(root_pem: Path, request: Path, days: float, out: Path | None) -> None:
    """Sign a kiosk's REQUEST with the root: prints the certificate that goes beside the kiosk's key."""
    from branchloop.keys.box import sign_box_key, verify_box_key
    from branchloop.keys.sealing import decode, raw_public

    key = read_root(root_pem)
    asked = read_request(request)
    if out is not None:
        check_place(
            out,
            (root_pem, request),
            lambda path: _is_certificate(path, asked),
            f"certificate of {asked.site}/{asked.device}",
        )
    now_ms = time.time_ns() // 1_000_000
    made = sign_box_key(key, asked.site, asked.device, decode(asked.public), now_ms + round(days * DAY_MS))
    verify_box_key(raw_public(key.public_key()), made, now_ms)
    if out is None:
        click.echo(made.to_json())
        return
    write_whole({out: f"{made.to_json()}\n".encode()})
    click.echo(f"Wrote {out}: {_described(made)}", err=True)


@cli.command()
@click.argument("folder", type=_FILE)
@click.option("--name", "issuer", required=True, help="the bank's name, as whoever opens a document reads it")
@click.option(
    "--root", "root_pem", type=_FILE, help="the root that vouches for it; it vouches for itself without one"
)
@click.option("--days", type=Finite(min=0, min_open=True, max=3_660), default=1_095.0, show_default=True)
@_JSON
def document(folder: Path, issuer: str, root_pem: Path | None, days: float, as_json: bool) -> None:
    """Make the key that signs documents: FOLDER/document.pem, document.crt, and whom to trust: document-root.crt."""
    from branchloop.keys import document as documentkey
    from branchloop.keys.box import new_private, private_pem

    if not issuer.strip() or len(issuer) > 59:
        raise UsageError("--name is empty, or longer than 59 characters.", hint="Give the bank's name.")
    root = None if root_pem is None else read_root(root_pem)
    key = new_private()
    own, anchor = documentkey.certify(key, issuer.strip(), time.time_ns() // 1_000_000, days, root)
    path = folder / documentkey.KEY_PEM
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, private_pem(key))
        (folder / documentkey.CERTIFICATE_PEM).write_text(own, encoding="ascii")
        (folder / documentkey.ROOT_PEM).write_text(anchor, encoding="ascii")
    except FileExistsError as error:
        raise UsageError(f"{path} is there already.", hint="Choose another folder for a new key.") from error
    except OSError as error:
        raise DependencyError(f"{folder} cannot be written: {error.strerror}.") from error
    made = {
        "key": path, "certificate": folder / documentkey.CERTIFICATE_PEM, "root": folder / documentkey.ROOT_PEM
    }  # fmt: skip
    exits.report({name: str(value) for name, value in made.items()}, as_json=as_json)


@cli.command()
@click.argument("folder", type=_FILE)
@_JSON
def backup(folder: Path, as_json: bool) -> None:
    """Make the key that opens backups: FOLDER/backup.pem (keep it offline) and FOLDER/backup.pub (for hub.toml)."""
    _make(folder, BACKUP_PEM, BACKUP_PUBLIC, "backup", as_json=as_json)


@cli.command()
@click.argument("file", type=_FILE)
@_JSON
def show(file: Path, as_json: bool) -> None:
    """Say what a request, a certificate, a root or its public half is, and its fingerprint."""
    from branchloop.keys.sealing import decode, fingerprint, shown_fingerprint

    text = _read(file)
    found: dict[str, str] = {}
    if text.startswith("-----BEGIN"):
        from branchloop.keys.box import read_private
        from branchloop.keys.sealing import raw_public

        found["what"] = "private key"
        with _named(file):
            raw = raw_public(read_private(text.encode()).public_key())
    elif text.startswith("{"):
        tree = _json(text, file)
        if "signature" in tree:
            certificate = read_certificate(text, file)
            found |= {"what": "certificate", "site": certificate.site, "device": certificate.device}
            found["not_after"] = iso(certificate.not_after_ms)
            public = certificate.public
        else:
            asked = read_request(file)
            found |= {"what": "request", "site": asked.site, "device": asked.device}
            public = asked.public
        with _named(file):
            raw = decode(public)
    else:
        found["what"] = "public key"
        try:
            raw = decode(text)
        except InputError as error:
            raise InputError(
                f"{file} is neither key nor request nor certificate.", hint="Give a .pem, .pub or .json file."
            ) from error
    check_point(raw, file)
    short = fingerprint(raw)
    exits.report(found | {"fingerprint": short, "shown": shown_fingerprint(short)}, as_json=as_json)


def _make(folder: Path, pem: str, pub: str, what: str, *, as_json: bool) -> None:
    """Make a key and write both its halves; tells the public one."""
    from branchloop.keys.box import name, new_private, private_pem
    from branchloop.keys.sealing import encode, raw_public

    key = new_private()
    public = encode(raw_public(key.public_key()))
    path = folder / pem
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, private_pem(key))
        (folder / pub).write_text(public + "\n", encoding="ascii")
    except FileExistsError as error:
        raise UsageError(
            f"{path} is there already.",
            hint=f"A {what} key is made once; choose another folder for a new one.",
        ) from error
    except OSError as error:
        raise DependencyError(f"{folder} cannot be written: {error.strerror}.") from error
    exits.report({what: str(path), f"{what}_public": public, "fingerprint": name(key)}, as_json=as_json)


def read_root(path: Path) -> EllipticCurvePrivateKey:
    """The root's private key. Raises InputError when it is none, or others may read it."""
    from branchloop.keys.box import read_private

    text = _read(path)
    if path.stat().st_mode & 0o077:
        raise InputError(f"{path} may be read by others.", hint=f"Guard it: chmod 600 {path}.")
    with _named(path):
        return read_private(text.encode())


def read_request(path: Path) -> KeyRequest:
    """A kiosk's request. Raises InputError naming what is wrong."""
    from branchloop.keys.sealing import decode

    text = _read(path)
    if text.startswith("{") and "signature" in _json(text, path):
        raise InputError(
            f"{path} is a certificate, which is signed already.",
            hint="Give the kiosk's request: `branchloop edge kiosk-key` says where it is.",
        )
    try:
        asked = KeyRequest.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"{path} is not a kiosk's request: {_first(error)}.",
            hint='It holds {"site", "device", "public"}; carry it over again.',
        ) from error
    with _named(path):
        raw = decode(asked.public)
    check_point(raw, path)
    return asked


def read_certificate(text: str, path: Path) -> BoxCertificate:
    """A certificate. Raises InputError when it is none."""
    try:
        return BoxCertificate.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"{path} is not a certificate: {_first(error)}.", hint="Make it again: branchloop keys sign."
        ) from error


def _is_certificate(path: Path, asked: KeyRequest) -> bool:
    """Whether a file is an earlier certificate of the same kiosk."""
    try:
        earlier = read_certificate(_read(path), path)
    except InputError:
        return False
    return (earlier.site, earlier.device) == (asked.site, asked.device)


def check_point(raw: bytes, path: Path) -> None:
    """Raise InputError unless `raw` is a public key of P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise InputError(f"{path} holds no P-256 public key.", hint="Carry it over again.") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read. Raises FileExistsError: keys are not overwritten."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text.", hint="Give a .pem, .pub or .json file.") from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever is wrong with what a file holds is said with its name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error


def _json(text: str, path: Path) -> dict[str, object]:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.", hint="Carry it over again.") from error
    return tree if isinstance(tree, dict) else {}


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in fault['loc']) or 'it'}: {fault['msg']}"


def _described(certificate: BoxCertificate) -> str:
    return f"{certificate.site}/{certificate.device}, until {iso(certificate.not_after_ms)}."


if __name__ == "__main__":
    exits.run(cli, prog="branchloop keys")
