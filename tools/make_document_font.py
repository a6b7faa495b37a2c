"""The font of the documents: Noto Sans SC (SIL OFL 1.1) cut down to GBK and Latin, without hints and layout tables.

    npm pack @expo-google-fonts/noto-sans-sc    # holds the whole font as package/400Regular/NotoSansSC_400Regular.ttf
    python tools/make_document_font.py NotoSansSC_400Regular.ttf hub/documents/font/NotoSansSC.ttf.xz

Needs fonttools. GBK has 21,003 Chinese characters, among them those of names that GB 2312 lacks (喆, 堃, 镕).
"""

from __future__ import annotations

import io
import lzma
import sys
from pathlib import Path

from fontTools import subset

_LATIN = {*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2028), 0x20AC, 0x2116, 0x2030}
_DROPPED = ["GSUB", "GPOS", "GDEF", "vhea", "vmtx", "VORG", "BASE", "STAT", "DSIG", "gasp", "meta"]


def main(source: str, target: str) -> None:
    """Cut the font down and pack it."""
    wanted = _LATIN | {at for at in range(0x80, 0x10000) if len(chr(at).encode("gbk", "ignore")) == 2}
    options = subset.Options(
        hinting=False, layout_features=[], name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14], notdef_outline=True
    )
    options.drop_tables += _DROPPED
    font = subset.load_font(source, options)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=wanted)
    cut.subset(font)
    held = io.BytesIO()
    font.save(held)
    Path(target).write_bytes(lzma.compress(held.getvalue(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main(*sys.argv[1:])
