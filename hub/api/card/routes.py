"""The cards as any page embeds them: by one script tag, in a frame, or on the hub's own page of a pass.

The files tell nothing of anybody, so every page may load them; what a card shows comes from /api/v1/card.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response

from branchloop.errors import AccessError
from branchloop.site.kiosk import Online
from branchloop.text.cards import WORDS
from branchloop.text.catalogue import LANGUAGES, Language
from branchloop.text.frames import REFUSED, WHY
from hub.api.card.files import OWN, PARTS, CardFile, files
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.loop import embedding
from hub.loop.embedding import Embed

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors "
)
_ANYONE = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}
_PINNED_S = 365 * 86_400
_NEWEST_S = 300
_HERE, _ABOVE = "", "../"
_MOST_SAID = 40
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "lang": LANGUAGES,
    "theme": ("light", "dark"),
    "kind": get_args(Online),
}
"""What an address may say, where it is one of few."""
_ANY_PAGE, _NO_PAGE = "http: https:", "'none'"


def routes() -> APIRouter:
    """Files, frames and the page of a pass."""
    router = APIRouter(include_in_schema=False)
    served = files()
    told = json.dumps({name: {"integrity": file.integrity, "v": file.pin} for name, file in served.items()})

    @router.get("/cards/v1/{name}")
    def file(request: Request, name: str, v: str | None = None) -> Response:
        if name == "integrity.json":
            return Response(told, media_type="application/json", headers=_ANYONE)
        found = served.get(name)
        if found is None:
            raise NotFoundError(f"there is no file {name[:40]!r}.", hint=f"There are: {', '.join(served)}.")
        keep = f"max-age={_PINNED_S}, immutable" if v == found.pin else f"max-age={_NEWEST_S}"
        headers = {**_ANYONE, "Cache-Control": f"public, {keep}", "ETag": f'"{found.pin}"'}
        if found.pin in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.zipped, media_type=found.media_type, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    @router.get("/embed/{name}")
    def frame(
        request: Request, name: str, token: str = "", lang: str | None = None, theme: str | None = None,
        kind: str | None = None, service: str = "", scene: str = "",
    ) -> Response:  # fmt: skip
        # What is wrong is told in the frame: a problem as JSON would be shown in none, only a page that refuses to connect.
        spoken = _spoken(request, lang)
        wrong = _wrong(served, spoken, _ANY_PAGE, lang=lang, theme=theme, kind=kind)
        if wrong is not None:
            return wrong
        framed = [each for each in PARTS if each not in OWN]
        if name not in framed:
            return _refusal(served, spoken, 404, "card", _ANY_PAGE, said=name, known=framed)
        try:
            embed = _bound(request.app.state.hub, token)
        except AccessError:
            return _refusal(served, spoken, 403, "token", _ANY_PAGE)
        said = {
            "token": token,
            "lang": lang,
            "theme": theme,
            "kind": kind,
            "service": service,
            "scene": scene,
        }
        body = _element(name, {key: value for key, value in said.items() if value})
        return _page(WORDS["card.title"], spoken, _head(served, _ABOVE, (name, "frame")), body, embed.origin)

    @router.get("/pass")
    def pass_page(request: Request, lang: str | None = None) -> Response:
        return _own(request, served, "branch-pass", "pass.title", lang, ("branch-appointment",))

    @router.get("/document")
    def document_page(request: Request, lang: str | None = None) -> Response:
        return _own(request, served, "branch-document", "doc.title", lang, ())

    return router


def _own(
    request: Request,
    served: Mapping[str, CardFile],
    name: str,
    title: str,
    lang: str | None,
    beside: tuple[str, ...],
) -> Response:
    """A page of the hub's own: what a customer's secret opens stands behind the # of its address."""
    spoken = _spoken(request, lang)
    wrong = _wrong(served, spoken, _NO_PAGE, lang=lang)
    if wrong is not None:
        return wrong
    said = {"from-fragment": "", "lang": spoken}
    body = f"<main>{_element(name, said)}{_element('branch-links', {**said, 'inside': ''})}</main>"
    return _page(WORDS[title], spoken, _head(served, _HERE, ("branch-links", name, *beside)), body)


def _bound(state: State, token: str) -> Embed:
    """What a frame's token is bound to. Raises AccessError for one that does not hold."""
    embed = embedding.read(token, state.book.keyring.mac, now_ms())
    partner = state.config.partners.get(embed.partner)
    if partner is None or embed.origin not in partner.origins or embed.site not in state.config.sites:
        raise AccessError("this page's token is for a page or a branch that there is no more.")
    return embed


def _wrong(
    served: Mapping[str, CardFile], spoken: Language, ancestors: str, **said: str | None
) -> Response | None:
    """The refusal of what an address says of `lang` and the like; None where nothing is wrong."""
    for key, value in said.items():
        if value is not None and value not in _KNOWN[key]:
            return _refusal(served, spoken, 422, "value", ancestors, key=key, said=value, known=_KNOWN[key])
    return None


def _refusal(
    served: Mapping[str, CardFile],
    spoken: Language,
    status: int,
    reason: str,
    ancestors: str,
    *,
    key: str = "",
    said: str = "",
    known: Iterable[str] = (),
) -> Response:
    """Said in both languages, in any frame: it is about the page, and of nobody."""
    shown = f"“{said[:_MOST_SAID]}”"
    values = [{"key": key, "said": shown, "known": each.join(known)} for each in (" or ", " 或 ")]
    title, why = (
        "".join(
            f'<{tag} lang="{language}">{html.escape(text.format(**each))}</{tag}>'
            for language, text, each in zip(("en", "zh-CN"), texts, values, strict=True)
        )
        for tag, texts in (("h1", REFUSED), ("p", WHY[reason]))
    )
    head = _head(served, _ABOVE, ())
    return _page(REFUSED, spoken, head, f"<main>{title}{why}</main>", ancestors, status=status)


def _element(name: str, attributes: Mapping[str, str | None]) -> str:
    said = "".join(f' {key}="{html.escape(value or "")}"' for key, value in attributes.items())
    return f"<{name}{said}></{name}>"


def _head(served: Mapping[str, CardFile], to_root: str, scripts: tuple[str, ...]) -> str:
    """What a page loads, each file by its digest; addresses are relative, so a proxy may add a folder."""
    style = served["frame.css"]
    tags = [
        f'<link rel="stylesheet" href="{to_root}cards/v1/{style.name}?v={style.pin}" integrity="{style.integrity}">'
    ]
    tags += [
        f'<script defer src="{to_root}cards/v1/{each.name}?v={each.pin}" integrity="{each.integrity}"></script>'
        for each in (served[f"{name}.js"] for name in scripts)
    ]
    return "".join(tags)


def _spoken(request: Request, lang: str | None) -> Language:
    """What the address says; else what the browser asks for first."""
    for each in LANGUAGES:
        if each == lang:
            return each
    return "zh" if request.headers.get("accept-language", "zh").strip().lower().startswith("zh") else "en"


def _page(
    title: tuple[str, str],
    language: Language,
    head: str,
    body: str,
    ancestors: str = _NO_PAGE,
    *,
    status: int = 200,
) -> Response:
    said = html.escape(title[0 if language == "en" else 1])
    text = (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{said}</title>{head}</head><body>{body}</body></html>"
    )
    headers = {"Content-Security-Policy": f"{_POLICY}{ancestors}"}
    if ancestors == _NO_PAGE:
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    else:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # its policy says which pages may frame it
    return Response(text, status, headers, media_type="text/html; charset=utf-8")
