"""A certificate from the facts of the bank's core to the signed file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reportlab.pdfbase.ttfonts import TTFont

from branchloop.errors import ConfigError
from branchloop.keys.file import guarded
from hub.config.documents import Documents
from hub.config.hub import HubConfig
from hub.documents.certificate import Certificate, draw
from hub.documents.font import SHIPPED, check_letters, load_font
from hub.documents.signing import Signer


@dataclass(frozen=True, slots=True)
class Issuer:
    """The bank's name, font and document key, as configured."""

    settings: Documents
    font: TTFont
    signer: Signer

    @classmethod
    def of(cls, config: HubConfig) -> Issuer:
        """Raises ConfigError when there is no [documents], or what it names is wrong."""
        settings = config.documents
        if settings is None:
            raise ConfigError(
                "this hub signs no documents.",
                hint="Add [documents] to hub.toml; make a key: branchloop keys document.",
            )
        folder = config.path.parent
        key = folder / settings.key_file
        signer = Signer(_bytes(key, secret=True), _bytes(folder / settings.cert_file))
        return cls(
            settings, load_font(folder / settings.font_file if settings.font_file else SHIPPED), signer
        )

    def check_name(self, name: str) -> None:
        """Raise InputError when a name cannot be printed whole."""
        check_letters(self.font, name)

    def issue(self, certificate: Certificate) -> bytes:
        """The signed PDF."""
        return self.signer.sign(draw(certificate, self.font))


def _bytes(path: Path, *, secret: bool = False) -> bytes:
    try:
        return guarded(path) if secret else path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.",
            hint="Make the document key: branchloop keys document.",
        ) from error
