"""Until a card can be used, on a slow phone and a slow line, beside a page with nothing in it, in the same run.

    python tests/bench/bench_card.py [RUNS]

Chromium's own throttling: processor 4 times slower, 1.6 Mbit/s down, 750 kbit/s up, 150 ms for each request;
every run with an empty cache. Usable: the first question is there and its first choice can be chosen.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("", "integration", "browser")]

from cardworld import CardWorld, card_world  # noqa: E402
from chromium_flags import FLAGS  # noqa: E402

SLOWER = 4
NETWORK = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 750e3 / 8,
}
USABLE = """
(name) => new Promise((done) => {
  const look = () => {
    const root = document.querySelector(name)?.shadowRoot;
    const there = root?.querySelector("input:not([disabled]), .bars li, .big");
    if (there && root.querySelector("h2")) done(performance.now()); else requestAnimationFrame(look);
  };
  look();
})
"""


def measure(browser: Browser, url: str, card: str | None) -> float:
    """Milliseconds from the start of the navigation."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    devtools.send("Network.emulateNetworkConditions", NETWORK)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(url, wait_until="commit")
    if card is None:
        page.wait_for_load_state("load")
        took = page.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart")
    else:
        took = page.evaluate(USABLE, card)
    context.close()
    return float(took)


def pages(world: CardWorld) -> dict[str, tuple[str | None, str, str]]:
    """What is measured: the card's element, the page's body and its head."""
    token = world.token()
    made: dict[str, tuple[str | None, str, str]] = {"a page with nothing in it": (None, "<p>Nothing</p>", "")}
    for card in ("branch-appointment", "branch-crowding"):
        made[f"<{card}>"] = (card, f'<{card} token="{token}"></{card}>', world.script(card))
    return made


def main(runs: int) -> None:
    """Print the medians."""
    with (
        tempfile.TemporaryDirectory() as folder,
        card_world(Path(folder), style="") as world,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        took: dict[str, list[float]] = {}
        for _ in range(runs + 1):
            for what, (card, body, head) in pages(world).items():
                took.setdefault(what, []).append(measure(browser, world.host.page(body, head=head), card))
        browser.close()
    medians = {what: statistics.median(each[1:]) for what, each in took.items()}
    bare = medians["a page with nothing in it"]
    for what, median in medians.items():
        least, most = min(took[what][1:]), max(took[what][1:])
        print(f"{what:<28} {median:6.0f} ms ({least:.0f} to {most:.0f}), {median / bare:.1f} × the bare page")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
