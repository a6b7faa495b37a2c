"""The one font of the documents: shipped, or the bank's own; every letter that is printed is embedded."""

from __future__ import annotations

import functools
import io
import lzma
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from branchloop.errors import ConfigError, InputError

SHIPPED = Path(__file__).parent / "font" / "NotoSansSC.ttf.xz"


@functools.lru_cache(maxsize=4)
def load_font(path: Path = SHIPPED) -> TTFont:
    """A TrueType font, registered under its path. Raises ConfigError when it is none."""
    try:
        content = path.read_bytes()
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        font = TTFont(f"document-{path.stem}", io.BytesIO(content))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", hint="Check documents.font_file."
        ) from error
    except (TTFError, lzma.LZMAError) as error:
        raise ConfigError(
            f"{path} is no font that can be embedded: {error}.",
            hint="documents.font_file names a .ttf with outlines.",
        ) from error
    pdfmetrics.registerFont(font)
    return font


def check_letters(font: TTFont, text: str) -> None:
    """Raise InputError when the font lacks a letter: a name is printed whole or not at all."""
    missing = [letter for letter in text if ord(letter) not in font.face.charToGlyph]
    if missing:
        raise InputError(
            f"the document's font has no {missing[0]!r} (U+{ord(missing[0]):04X}).",
            hint="Come to the branch; the bank can name a larger font as documents.font_file.",
        )
