"""The hub's own key for receipts: a file of mode 0600 in the data directory, made at first use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.boxkeys import new_private, private_pem, read_private
from branchloop.errors import ConfigError, DependencyError, InputError

RECEIPT_KEY = "receipt.pem"


def receipt_key(data_dir: Path) -> ec.EllipticCurvePrivateKey:
    """The key; the same for every process, also when several make it at once.

    Raises DependencyError when it cannot be written, ConfigError when it is not ours or others may read it.
    """
    path = data_dir / RECEIPT_KEY
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f"{RECEIPT_KEY}.{os.getpid()}")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(private_pem(new_private()))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(fresh, path)  # whole or not at all, and never over another process's
            fresh.unlink()
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} may be read by others.", hint=f"Guard it: chmod 600 {path}.")
        return read_private(path.read_bytes())
    except OSError as error:
        raise DependencyError(f"{path} cannot be used: {error.strerror}.", hint="Check the disk.") from error
    except InputError as error:
        raise ConfigError(f"{path}: {error.message}", hint="Restore it from your backup.") from error
