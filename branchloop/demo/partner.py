"""The demo's partner: a travel agent's page, on a server and an origin of its own, that embeds the branch's cards."""

from __future__ import annotations

from pathlib import Path

PARTNER = "travel"
SCENE = "travel-visa"
TABLES = """[[partner]]
id = "travel"
name = {{ en = "Example Travel (demo)", zh = "示例旅行网（演示）" }}
origins = ["{origin}"]
per_served = 5.0
[value]
per_served = 20.0
"""
_WORDS = {
    "en": (
        "Example Travel (demo)", "Your visa: proof of deposit", "中文", "index.zh.html",
        "Many consulates ask for a certificate of your deposit. Your bank's branch is here, in this page: ask for "
        "it without going there, or book a visit.", "How busy the branch is",
    ),
    "zh": (
        "示例旅行网（演示）", "签证材料：存款证明", "English", "index.html",
        "许多领事馆要求提供存款证明。您可以在本页直接联系银行网点：在线办理，或预约到店。", "网点现在忙不忙",
    ),
}  # fmt: skip
_STYLE = """
body { margin: 0; font: 16px/1.6 Georgia, "Noto Serif SC", serif; color: #3a2f25; background: #f4efe6; }
header { padding: 16px 24px; background: #8a4b2d; color: #fff; display: flex; justify-content: space-between; }
header a { color: #fff; }
main { max-width: 1080px; margin: 0 auto; padding: 24px; display: grid; gap: 24px; grid-template-columns: 1fr; }
@media (min-width: 900px) { main { grid-template-columns: 3fr 2fr; } .wide { grid-column: 1 / -1; } }
h1 { font-weight: normal; margin: 0 0 8px; } h2 { font-size: 18px; }
"""
_PAGE = """<!doctype html>
<html lang="{lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="page.css">
<script src="{api}/cards/v1/branch-appointment.js" crossorigin="anonymous" defer></script>
<script src="{api}/cards/v1/branch-crowding.js" crossorigin="anonymous" defer></script></head>
<body><header><b>{title}</b><a href="{other}" lang="{other_lang}">{switch}</a></header>
<main><div class="wide"><h1>{heading}</h1><p>{text}</p></div>
<section><branch-appointment token="{token}"></branch-appointment></section>
<section><h2>{crowding}</h2><branch-crowding token="{token}"></branch-crowding></section>
</main></body></html>
"""


def write_page(folder: Path, api: str, token: str) -> None:
    """The page in both languages, as plain files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.css").write_text(_STYLE, encoding="utf-8")
    for lang, (title, heading, switch, other, text, crowding) in _WORDS.items():
        page = _PAGE.format(
            lang=lang, title=title, heading=heading, switch=switch, other=other, text=text, crowding=crowding,
            other_lang="zh" if lang == "en" else "en", api=api, token=token,
        )  # fmt: skip
        name = "index.html" if lang == "en" else "index.zh.html"
        (folder / name).write_text(page, encoding="utf-8")
