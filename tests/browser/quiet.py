"""A page of Streamlit at rest: what is drawn anew is pale for a moment, and no judge of its colours should look then."""

from __future__ import annotations

from playwright.sync_api import Page

QUIET = """() => document.querySelector('.stApp[data-test-script-state=notRunning]')
  && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
  && document.getAnimations().every((each) => each.playState !== 'running')"""


def quiet(page: Page) -> None:
    """Wait until the script has run, all is drawn and nothing fades."""
    page.wait_for_function(QUIET)
