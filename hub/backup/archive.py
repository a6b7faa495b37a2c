"""The file of a backup: a gzipped tar, its manifest first; sealed as a whole where there is somebody to seal it to."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.errors import InputError, UsageError
from hub.backup.manifest import NAME, Manifest, parse
from hub.backup.sealed import MAGIC, SealedReader, SealedWriter

_BLOCK = 1 << 20
_MOST_MANIFEST = 10_000_000
_GZIP = b"\x1f\x8b"
Key = bytes | ec.EllipticCurvePrivateKey | None


def pack(path: Path, folder: Path, manifest: Manifest, recipient: bytes | None) -> bytes | None:
    """Write a new file of mode 0600 with the manifest and its parts, which lie in `folder`; the key that opens it.

    On the disk when it returns. Raises OSError, and ConfigError when the recipient is no key.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        sealed = None if recipient is None else SealedWriter(out, recipient)
        target = cast("BinaryIO", out if sealed is None else sealed)
        with (
            gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=1) as squeezed,
            tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            content = manifest.model_dump_json(indent=1).encode()
            _add(tar, NAME, len(content), manifest.made_ms, io.BytesIO(content))
            for part in manifest.parts:
                with (folder / part.name).open("rb") as file:
                    _add(tar, part.name, part.bytes, manifest.made_ms, file)
        if sealed is not None:
            sealed.finish()
        out.flush()
        os.fsync(out.fileno())
    return None if sealed is None else sealed.key


class Archive:
    """A backup that is being read. Use `opened`."""

    def __init__(self, stream: BinaryIO, tar: tarfile.TarFile, manifest: Manifest, name: str) -> None:
        self.manifest = manifest
        self._stream = stream
        self._tar = tar
        self._name = name

    def unpack(self, folder: Path | None) -> None:
        """Check every part's size and digest, and write it into `folder` (mode 0600) unless that is None.

        Raises InputError where it is not what the manifest says, OSError when it cannot be written.
        """
        for part in self.manifest.parts:
            with self._reading():
                entry = self._tar.next()
                if entry is None or entry.name != part.name or not entry.isreg() or entry.size != part.bytes:
                    raise self._damaged(f"{part.name} is missing")
                source = self._tar.extractfile(entry)
            assert source is not None  # noqa: S101 - it is a regular file
            digest = hashlib.sha256()
            with _sink(folder, part.name) as sink:
                while True:
                    with self._reading():
                        block = source.read(_BLOCK)
                    if not block:
                        break
                    digest.update(block)
                    if sink is not None:
                        sink.write(block)
            if digest.hexdigest() != part.sha256:
                raise self._damaged(f"{part.name} was changed")
        with self._reading():
            if self._tar.next() is not None:
                raise self._damaged("it holds more than it says")
            while self._stream.read(_BLOCK):
                pass  # to its end, where the last checksum is

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        with reading(self._name):
            yield

    def _damaged(self, what: str) -> InputError:
        return InputError(f"{self._name} is damaged: {what}.", hint="Take another copy, or another backup.")


@contextlib.contextmanager
def opened(path: Path, key: Key) -> Iterator[Archive]:
    """A backup to read. `key` is asked for only where it is sealed.

    Raises InputError when it is no backup, damaged, of a later format or sealed to another; UsageError without a key.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    with file:
        plain = _plain(file, path, key)
        with gzip.GzipFile(fileobj=plain, mode="rb") as squeezed:
            with reading(str(path)):
                tar = tarfile.open(fileobj=squeezed, mode="r|")  # noqa: SIM115 - closed below
            with tar:
                with reading(str(path)):
                    first = tar.next()
                    if first is None or first.name != NAME or first.size > _MOST_MANIFEST:
                        raise InputError(
                            f"{path} is no backup of a hub.", hint="Give a file that `hub backup` wrote."
                        )
                    source = tar.extractfile(first)
                    content = b"" if source is None else source.read()
                yield Archive(cast("BinaryIO", squeezed), tar, parse(content, str(path)), str(path))


def _plain(file: BinaryIO, path: Path, key: Key) -> BinaryIO:
    head = file.read(len(MAGIC))
    file.seek(0)
    if head == MAGIC:
        if key is None:
            raise UsageError(f"{path} is sealed.", hint="Give its private key: --key backup.pem.")
        return cast("BinaryIO", SealedReader(file, key, str(path)))
    if not head.startswith(_GZIP):
        raise InputError(f"{path} is no backup of a hub.", hint="Give a file that `hub backup` wrote.")
    return file


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Faults of a damaged file as InputError."""
    try:
        yield
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise InputError(
            f"{name} is damaged: {str(error) or 'it is cut off'}.",
            hint="Take another copy, or another backup.",
        ) from error
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror or error}.", hint="Check its disk."
        ) from error


@contextlib.contextmanager
def _sink(folder: Path | None, name: str) -> Iterator[BinaryIO | None]:
    if folder is None:
        yield None
        return
    path = folder / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _add(tar: tarfile.TarFile, name: str, size: int, made_ms: int, file: BinaryIO) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, made_ms // 1000
    tar.addfile(entry, file)


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
