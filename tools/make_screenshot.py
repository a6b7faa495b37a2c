"""Make the README's screenshot: the demo, a minute of real footage, the Live page in Chromium.

python tools/make_screenshot.py docs/live.png
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from branchloop.processes import free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium_flags import FLAGS

FOOTAGE_S = 75


def main() -> None:
    """Run the demo, wait, shoot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--language", default="en", choices=["en", "zh"])
    parser.add_argument("--page", default="")
    parser.add_argument("--branch", default="plaza")
    args = parser.parse_args()
    base = free_port()
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable,
            "-m",
            "branchloop.demo.run",
            "--no-browser",
            "--data",
            data,
            "--port-base",
            str(base),
        ]
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            for line in demo.stdout or ():
                sys.stdout.write(line)
                if "Ctrl-C" in line:
                    break
            time.sleep(FOOTAGE_S)
            shoot(
                f"http://127.0.0.1:{base + 2}/{args.page}?branch={args.branch}&lang={args.language}", args.out
            )
        finally:
            demo.terminate()
            demo.wait(60)
    print(args.out)


def shoot(url: str, out: Path) -> None:
    """The page at `url` once its floor plan is there."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(url)
        page.wait_for_selector("img[alt]", timeout=60_000)
        page.wait_for_timeout(3_000)
        page.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    main()
