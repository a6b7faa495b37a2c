"""The hub's own key for receipts: a file of mode 0600 in the data directory, made at first use."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.errors import ConfigError, InputError
from branchloop.keys.box import new_private, private_pem, read_private
from branchloop.keys.file import kept

RECEIPT_KEY = "receipt.pem"


def receipt_key(data_dir: Path) -> ec.EllipticCurvePrivateKey:
    """The key; the same for every process, also when several make it at once.

    Raises DependencyError when it cannot be written, ConfigError when it is not ours or others may read it.
    """
    path = data_dir / RECEIPT_KEY
    try:
        return read_private(kept(path, lambda: private_pem(new_private())))
    except InputError as error:
        raise ConfigError(f"{path}: {error.message}", hint="Restore it from your backup.") from error
