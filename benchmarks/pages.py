"""What a built page of the book costs whoever opens it: `python -m benchmarks.pages [--help]`.

Every page is opened in headless Chromium from disk, each time in a new window: the bytes of the page and of everything
that it loads, compressed as a web server sends them, and the milliseconds until the browser has painted the first
words or picture (its "first contentful paint"), the median of several times.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools import build
from tools.browser import launched, transferred

from .report import closing, described, machine, write

# Bytes, and milliseconds to the first paint, that a page should stay within.
MAX_BYTES, MAX_PAINT = 1_500_000, 1_000
WIDE = {"width": 1200, "height": 800}
FIRST_PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    const [first] = list.getEntriesByName("first-contentful-paint");
    if (first) resolve(first.startTime);
}).observe({type: "paint", buffered: true}))"""


def opened(browser, page: Path) -> tuple[int, float]:
    """Bytes and milliseconds of opening a page once.

    Raises:
        playwright.sync_api.TimeoutError: the browser has painted nothing for minutes.
    """
    context = browser.new_context(viewport=WIDE, offline=True)
    tab = context.new_page()
    tab.set_default_timeout(180_000)
    asked = set()
    tab.on("request", lambda request: asked.add(request.url))
    tab.goto(page.as_uri(), wait_until="networkidle")
    paint = tab.evaluate(FIRST_PAINT)
    context.close()
    return transferred({Path(unquote(urlsplit(url).path)) for url in asked if url.startswith("file:")}), paint


def measure(browser, page: Path, rounds: int) -> dict:
    """``{"bytes", "first_paint_ms"}``, the milliseconds a median."""
    times = [opened(browser, page) for _ in range(rounds)]
    return {
        "bytes": max(size for size, _ in times),
        "first_paint_ms": round(statistics.median(paint for _, paint in times), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="pages, such as book/index; all, if none is given")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.names) - set(build.pages()):
        parser.error(f"there is no page {', '.join(sorted(unknown))}")
    print(described(machine()))
    html = build.build().parent
    figures = {}
    with launched() as browser:
        opened(browser, html / f"{build.pages()[0]}.html")  # once unmeasured: fonts and the disk cache
        for name in options.names or build.pages():
            figures[name] = measure(browser, html / f"{name}.html", options.rounds)
            print(
                f"{name:32} {figures[name]['bytes'] / 1000:7.0f} kB {figures[name]['first_paint_ms']:7.0f} ms",
                flush=True,
            )
    if options.names:
        print("only some pages were measured: nothing is kept")
    else:
        print(closing(write("pages", figures)))


if __name__ == "__main__":
    main()
