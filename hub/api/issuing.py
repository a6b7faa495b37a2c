"""The document's maker, where the extra `documents` is installed; its libraries are only loaded for a document."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from branchloop.errors import ConfigError, ConflictError, DependencyError
from hub.config.hub import HubConfig

if TYPE_CHECKING:
    from hub.documents.issuing import Issuer


def issuer_of(config: HubConfig) -> Issuer:
    """Who signs documents here. Raises ConfigError when nobody can."""
    if importlib.util.find_spec("pyhanko") is None or importlib.util.find_spec("reportlab") is None:
        raise ConfigError(
            "the libraries for documents are not installed.",
            hint="Install them: pip install 'branchloop[documents]'.",
        )
    from hub.documents.issuing import Issuer

    return Issuer.of(config)


def issuer_here(config: HubConfig) -> Issuer:
    """Who signs documents, for an answer over the network: what is wrong with the hub's files is for its log alone.

    Raises ConflictError when this hub signs none, DependencyError when it should and cannot.
    """
    if config.documents is None:
        raise ConflictError("documents are not made online here.", hint="Book a visit.")
    try:
        return issuer_of(config)
    except ConfigError as error:
        raise DependencyError(error.message, hint=error.hint) from error
