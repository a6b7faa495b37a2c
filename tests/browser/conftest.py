"""One Chromium for the tests of a file: to start it costs more than most pages; each test has a context of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from chromium_flags import FLAGS
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The browser; a file may want it with further flags, `MORE_FLAGS`."""
    found = shutil.which("chromium")
    if found is None and not os.environ.get("CI"):
        pytest.skip("no chromium on this machine; `tools/system-libraries test` installs it")
    assert found is not None, "Chromium is missing; `make test` installs it"
    more = getattr(request.module, "MORE_FLAGS", ())
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=[*FLAGS, *more])
        yield browser
        browser.close()
