"""How a certificate of deposit looks: one page, Chinese and English side by side, the same bytes for the same facts."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from segno import make as make_qr

from branchloop.site.parts import Text
from branchloop.text.documents import words
from hub.documents.font import check_letters
from hub.loop.requests import shown_amount

INK, QUIET, LINE, ACCENT = HexColor("#1b2430"), HexColor("#5d6878"), HexColor("#d5dae1"), HexColor("#16406b")
_MARK = Color(0.6, 0.25, 0.1, alpha=0.13)
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 25 * mm, A4[0] - 25 * mm
_VALUES = 88 * mm
"""Where the values of the table begin."""
_LEAST_PT = 4.5
_drawing = threading.Lock()
"""A font keeps which letters a page uses."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Everything that stands on the page. Amounts and dates are the bank's own words."""

    issuer: Text
    branch: Text
    name: str
    account_last_four: str
    currency: str
    amount: str
    as_of: date
    frozen_until: date | None
    purpose: Literal["visa", "study", "residence", "tender", "other"]
    issued: date
    code: str
    verify_url: str
    simulated: bool


def draw(certificate: Certificate, font: TTFont) -> bytes:
    """The page as PDF, not yet signed. Raises InputError for a letter that the font has not."""
    rows = _rows(certificate)
    for _, value in rows:
        check_letters(font, value)
    with _drawing:
        held = io.BytesIO()
        canvas = Canvas(
            held, pagesize=A4, invariant=1, lang="zh-CN", pageCompression=1, initialFontName=font.fontName
        )
        page = _Page(canvas, font.fontName)
        title_en, title_zh = words("document.title")
        canvas.setTitle(f"{title_zh} {title_en}")
        canvas.setAuthor(f"{certificate.issuer.zh} {certificate.issuer.en}")
        canvas.setCreator("branchloop")
        if certificate.simulated:
            page.mark(*words("document.simulated"))
        page.head(certificate.issuer)
        y = page.title(title_en, title_zh)
        y = page.table(rows, y)
        page.proof(certificate, y)
        canvas.showPage()
        canvas.save()
    return held.getvalue()


def _rows(certificate: Certificate) -> list[tuple[str, str]]:
    held = certificate.frozen_until
    en, zh = words("document.frozen.no")
    purpose_en, purpose_zh = words(f"purpose.{certificate.purpose}")
    return [
        ("name", certificate.name),
        ("account", f"**** {certificate.account_last_four}"),
        ("currency", certificate.currency),
        ("amount", f"{certificate.currency} {shown_amount(certificate.amount)}"),
        ("as_of", certificate.as_of.isoformat()),
        ("frozen", f"{zh} {en}" if held is None else held.isoformat()),
        ("purpose", f"{purpose_zh} {purpose_en}"),
        ("branch", f"{certificate.branch.zh}  {certificate.branch.en}"),
        ("issued", certificate.issued.isoformat()),
    ]


class _Page:
    def __init__(self, canvas: Canvas, font: str) -> None:
        self._canvas = canvas
        self._font = font

    def text(
        self, x: float, y: float, text: str, size: float, colour: Color = INK, *, right: bool = False
    ) -> None:
        self._canvas.setFillColor(colour)
        self._canvas.setFont(self._font, size)
        (self._canvas.drawRightString if right else self._canvas.drawString)(x, y, text)

    def fitted(self, x: float, y: float, text: str, size: float, room: float, colour: Color = INK) -> None:
        """On one line, smaller when it is long; nothing is cut off."""
        width = stringWidth(text, self._font, size)
        self.text(x, y, text, max(_LEAST_PT, size * min(1.0, room / max(width, 1.0))), colour)

    def rule(self, y: float, width: float = 0.6, colour: Color = LINE) -> None:
        self._canvas.setStrokeColor(colour)
        self._canvas.setLineWidth(width)
        self._canvas.line(_LEFT, y, _RIGHT, y)

    def head(self, issuer: Text) -> None:
        y = _HEIGHT - 27 * mm
        self.fitted(_LEFT, y, issuer.zh, 17, 115 * mm, ACCENT)
        self.fitted(_LEFT, y - 6 * mm, issuer.en, 10, 115 * mm, QUIET)
        en, zh = words("document.electronic")
        self.text(_RIGHT, y, zh, 10, QUIET, right=True)
        self.text(_RIGHT, y - 6 * mm, en, 9, QUIET, right=True)
        self.rule(y - 11 * mm, 1.6, ACCENT)

    def title(self, en: str, zh: str) -> float:
        y = _HEIGHT - 58 * mm
        self.text(_LEFT, y, zh, 27)
        self.text(_LEFT, y - 9 * mm, en, 14, QUIET)
        intro_en, intro_zh = words("document.intro")
        self.text(_LEFT, y - 23 * mm, intro_zh, 11)
        self.fitted(_LEFT, y - 29.5 * mm, intro_en, 9.5, _RIGHT - _LEFT, QUIET)
        return float(y - 39 * mm)

    def table(self, rows: list[tuple[str, str]], y: float) -> float:
        self.rule(y)
        for key, value in rows:
            en, zh = words(f"document.{key}")
            tall = 15 * mm if key == "amount" else 11 * mm
            middle = y - tall / 2
            self.text(_LEFT, middle + 0.4 * mm, zh, 10)
            self.text(_LEFT, middle - 3.4 * mm, en, 7.5, QUIET)
            size, colour = (18, ACCENT) if key == "amount" else (11.5, INK)
            self.fitted(_VALUES, middle - size * 0.36, value, size, _RIGHT - _VALUES, colour)
            y -= tall
            self.rule(y)
        return y

    def proof(self, certificate: Certificate, y: float) -> None:
        side, top = 30 * mm, y - 11 * mm
        self._qr(certificate.verify_url, _LEFT, top - side, side)
        x, room = _LEFT + side + 7 * mm, _RIGHT - _LEFT - side - 7 * mm
        en, zh = words("document.number")
        self.text(x, top - 4 * mm, f"{zh}  {en}", 8.5, QUIET)
        self.text(x, top - 10.5 * mm, certificate.code, 13)
        shown = certificate.verify_url.rsplit("/", 1)[0]
        en, zh = words("document.verify", url=shown)
        self.fitted(x, top - 18 * mm, zh, 8.5, room)
        self.fitted(x, top - 22 * mm, en, 8, room, QUIET)
        en, zh = words("document.signed", issuer="\0")
        self.fitted(x, top - 27 * mm, zh.replace("\0", certificate.issuer.zh), 8.5, room)
        self.fitted(x, top - 31 * mm, en.replace("\0", certificate.issuer.en), 8, room, QUIET)

    def mark(self, en: str, zh: str) -> None:
        """Across the page, below everything that is written on it."""
        canvas = self._canvas
        canvas.saveState()
        canvas.translate(_WIDTH / 2, _HEIGHT / 2)
        canvas.rotate(45)
        canvas.setFillColor(_MARK)
        canvas.setFont(self._font, 68)
        canvas.drawCentredString(0, 10 * mm, zh)
        canvas.setFont(self._font, 40)
        canvas.drawCentredString(0, -12 * mm, en)
        canvas.restoreState()

    def _qr(self, text: str, x: float, y: float, side: float) -> None:
        code = make_qr(text, error="m", micro=False)
        rows = [list(row) for row in code.matrix]
        step = side / len(rows)
        self._canvas.setFillColor(INK)
        path = self._canvas.beginPath()
        for at, row in enumerate(rows):
            for column, dark in enumerate(row):
                if dark:
                    path.rect(x + column * step, y + side - (at + 1) * step, step, step)
        self._canvas.drawPath(path, stroke=0, fill=1)
