"""The document's maker, where the extra `documents` is installed; its libraries are only loaded for a document."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from branchloop.errors import ConfigError
from hub.config import HubConfig

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
