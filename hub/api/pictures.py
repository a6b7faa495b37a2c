"""Pictures without people: asked of the branch's box, shown to whoever may; every view is noted.

They show a bank's rooms, so only those see them who may set a branch up or answer for it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import Response as Plain

from branchloop.clock import iso
from branchloop.site.site import Site
from branchloop.wire.topics import ID_PATTERN
from hub.api.access import Caller, Picturing
from hub.api.models import pictures as models
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.store.branches.pictures import Kept, Pictures, Request as Asked, What
from hub.store.connection import opened, reading

Within = Annotated[
    int,
    Query(ge=30, le=600, description="seconds to wait for it at most; with less time there are more blanks"),
]
CameraId = Annotated[str, Path(pattern=ID_PATTERN)]


def routes(too_soon: dict[str, Any]) -> APIRouter:
    """The routes under /api/v1/branches; `too_soon` describes their 429."""
    router = APIRouter(prefix="/api/v1/branches", tags=["pictures"])
    limited: dict[int | str, dict[str, Any]] = {429: too_soon}

    @router.get("/{site_id}/pictures")
    def pictures(request: Request, caller: Picturing, site_id: str) -> models.PictureList:
        """Which pictures there are of a branch, how old they are, and what was asked for."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "pictures: list")
        wanted: list[tuple[What, str]] = [("background", camera.id) for camera in site.cameras]
        with reading(state.data_dir) as db:
            known = Pictures(db)
            items = [
                _shown(what, camera, known.find(site.id, what, camera), known.asked(site.id, what, camera))
                for what, camera in [*wanted, ("birdseye", "")]
            ]
        return models.PictureList(items=items)

    @router.post("/{site_id}/cameras/{camera}/background", status_code=202, responses=limited)
    def ask_background(
        request: Request, caller: Picturing, site_id: str, camera: CameraId, within_s: Within = 600
    ) -> models.PictureAsked:
        """Ask the box for a picture of this camera with the people removed; at most one in ten minutes."""
        site = caller.enter(site_id, f"background of {camera}: ask for it")
        _known(site, camera)
        return _ask(request.app.state.hub, caller, site, "background", camera, within_s)

    @router.get("/{site_id}/cameras/{camera}/background", **_image("image/jpeg"))
    def background(request: Request, caller: Picturing, site_id: str, camera: CameraId) -> Response:
        """The newest picture of this camera with the people removed; grey where that was not possible."""
        site = caller.enter(site_id, f"background of {camera}")
        _known(site, camera)
        return _picture(request.app.state.hub, site, "background", camera)

    @router.post("/{site_id}/birdseye", status_code=202, responses=limited)
    def ask_birdseye(
        request: Request, caller: Picturing, site_id: str, within_s: Within = 600
    ) -> models.PictureAsked:
        """Ask the box for all cameras' backgrounds on the plan; at most once in ten minutes."""
        site = caller.enter(site_id, "bird's-eye picture: ask for it")
        return _ask(request.app.state.hub, caller, site, "birdseye", "", within_s)

    @router.get("/{site_id}/birdseye", **_image("image/webp"))
    def birdseye(request: Request, caller: Picturing, site_id: str) -> Response:
        """The newest bird's-eye picture of the floor, people removed; transparent where no camera looks.

        The header `X-Bounds-M` holds x0,y0,x1,y1 of the picture on the plan in metres.
        """
        site = caller.enter(site_id, "bird's-eye picture")
        return _picture(request.app.state.hub, site, "birdseye", "")

    return router


def _image(media: str) -> dict[str, Any]:
    return {
        "response_class": Plain,
        "responses": {200: {"description": "A picture", "content": {media: {}}}},
    }


def _known(site: Site, camera: str) -> None:
    if all(each.id != camera for each in site.cameras):
        names = ", ".join(each.id for each in site.cameras) or "none"
        raise NotFoundError(f"this branch has no camera {camera!r}.", hint=f"It has: {names}.")


def _ask(
    state: State, caller: Caller, site: Site, what: What, camera: str, within_s: int
) -> models.PictureAsked:
    if site.box is None:
        raise NotFoundError(
            "the hub knows of no box in this branch.", hint="Its site file has no [box]; add it at the hub."
        )
    with opened(state.data_dir) as db:
        known, at_ms = Pictures(db), now_ms()
        known.forget_others(site.id, [each.id for each in site.cameras], at_ms)
        return _asked(known.ask(site.id, site.box.id, what, camera, caller.name, at_ms, within_s * 1000))


def _picture(state: State, site: Site, what: What, camera: str) -> Response:
    with reading(state.data_dir) as db:
        kept = Pictures(db).find(site.id, what, camera, image=True)
    if kept is None:
        raise NotFoundError("there is no such picture yet.", hint="POST to this address asks the box for it.")
    headers = {"X-Made-At": iso(kept.about.made_ms), "X-Blank-Share": f"{kept.about.blank_share:.4f}"}
    if kept.about.camera_px is not None:
        headers["X-Camera-Px"] = "{}x{}".format(*kept.about.camera_px)
    if kept.about.bounds_m is not None:
        headers["X-Bounds-M"] = ",".join(f"{metres:.3f}" for metres in kept.about.bounds_m)
    return Plain(kept.image, media_type=kept.about.media, headers=headers)


def _shown(what: What, camera: str, kept: Kept | None, asked: Asked | None) -> models.PictureShown:
    shown = models.PictureShown(
        what=what, camera=camera or None, made_at=None, asked=None if asked is None else _asked(asked)
    )
    if kept is None:
        return shown
    about = kept.about
    return shown.model_copy(
        update={
            "made_at": iso(about.made_ms), "width_px": about.width_px, "height_px": about.height_px,
            "blank_share": about.blank_share, "samples": about.samples, "camera_px": about.camera_px,
            "bounds_m": about.bounds_m,
            "seams": [models.SeamShown(**seam.model_dump()) for seam in about.seams],
        }
    )  # fmt: skip


def _asked(asked: Asked) -> models.PictureAsked:
    return models.PictureAsked(
        command=asked.command,
        state=asked.state,
        by=asked.actor,
        asked_at=iso(asked.at_ms),
        answered_at=None if asked.answered_ms is None else iso(asked.answered_ms),
        code=asked.code,
        detail=asked.detail,
    )
