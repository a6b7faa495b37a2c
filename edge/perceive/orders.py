"""What the core tells a camera's process, one line each on its standard input.

First `site` and what of the configuration concerns this camera, as JSON; again whenever its marks or the plan change. The
process reads no file for it: what is kept there may be a configuration that is still to come. Besides, `background COMMAND
EXPIRES_MS` asks for a picture without people.
"""

from __future__ import annotations

import json

from branchloop.site.site import Camera, Site

_SITE = "site "


def encode_site(site: Site, camera: Camera) -> str:
    """A line, without its end: one camera, and nothing of the plan but its size.

    It has room in a pipe, so that a process which reads nothing holds nobody up.
    """
    others = ("lines", "zones", "sensors", "services", "counters", "kiosks")
    alone = site.model_copy(
        update={
            "cameras": [camera],
            "plan": site.plan.model_copy(update={"walls": []}),
            **{part: [] for part in others},
        }
    )
    return _SITE + json.dumps(alone.model_dump(mode="json", by_alias=True))  # ASCII, whatever the locale


def decode_site(line: str) -> Site | None:
    """The site whose only camera the process watches; None for another line."""
    return Site.model_validate_json(line.removeprefix(_SITE)) if line.startswith(_SITE) else None
