"""A picture that can be clicked: a small Streamlit component, by pointer or by keyboard.

The picture is shown as an image, so that nothing in it can run.
"""

from __future__ import annotations

import streamlit as st

from branchloop import theme

_HTML = """<div class="pad" tabindex="0" role="application"><img alt=""/><i aria-hidden="true"></i></div>"""
_CSS = f"""
.pad {{ position: relative; cursor: crosshair; line-height: 0; border-radius: 8px; overflow: hidden;
  touch-action: manipulation; }}
.pad:focus-visible {{ outline: 3px solid {theme.ACCENT}; }}
.pad img {{ width: 100%; height: auto; user-select: none; -webkit-user-drag: none; }}
.pad i {{ position: absolute; width: 24px; height: 24px; margin: -12px 0 0 -12px; pointer-events: none; display: none;
  background: linear-gradient({theme.BAD}, {theme.BAD}) center/24px 2px no-repeat,
              linear-gradient({theme.BAD}, {theme.BAD}) center/2px 24px no-repeat; }}
.pad:focus-visible i {{ display: block; }}
"""
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const pad = parentElement.querySelector('.pad');
  const image = pad.querySelector('img');
  const cross = pad.querySelector('i');
  if (image.src !== data.image) image.src = data.image;
  image.alt = data.alt;
  pad.setAttribute('aria-label', data.label);
  pad.at = pad.at || [0.5, 0.5];
  const place = () => {
    cross.style.left = `${pad.at[0] * 100}%`;
    cross.style.top = `${pad.at[1] * 100}%`;
  };
  const set = () => setTriggerValue('point', [pad.at[0] * data.width, pad.at[1] * data.height, Date.now()]);
  pad.onclick = (event) => {
    const box = image.getBoundingClientRect();
    pad.at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    place();
    set();
  };
  pad.onkeydown = (event) => {
    const step = event.shiftKey ? 0.05 : 0.005;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (move) {
      pad.at = pad.at.map((value, axis) => Math.min(1, Math.max(0, value + move[axis] * step)));
      place();
    } else if (event.key === 'Enter') {
      set();
    } else {
      return;
    }
    event.preventDefault();
  };
  place();
}
"""


def pad(
    image: str, *, alt: str, label: str, width: float, height: float, key: str
) -> tuple[float, float] | None:
    """Show an image (an address) of `width` × `height` units; the place that was just clicked, in those units."""
    show = st.components.v2.component("branchloop.pad", html=_HTML, css=_CSS, js=_JS)
    result = show(
        data={"image": image, "alt": alt, "label": label, "width": width, "height": height},
        key=key,
        on_point_change=_heard,
    )
    point = result.point
    return None if point is None else (float(point[0]), float(point[1]))


def _heard() -> None:
    """A trigger needs somebody who listens; the run that follows reads it."""
