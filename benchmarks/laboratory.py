"""How long a reader of the laboratory waits: `python -m benchmarks.laboratory [--help]`.

In headless Chromium, from disk: the milliseconds that the worker takes for a gradient, which is one pass forwards and
one back, the median of several; and the longest time for which the page itself stood still, from the press of its
button until both first maps are there, and while a map of many passes is drawn.
"""

from __future__ import annotations

import argparse
import statistics

from tools import build
from tools.browser import launched

from .report import closing, described, machine, write

NETWORKS = {"small_cnn": 32, "scenes-small_cnn_128": 128}
# Watches how late a timer of every few milliseconds is.
WATCH = """() => {
    window.longest = 0;
    let last = performance.now();
    setInterval(() => {
        window.longest = Math.max(window.longest, performance.now() - last);
        last = performance.now();
    }, 4);
}"""
READY = """() => [...document.querySelectorAll(".lab-progress")].filter(
    (one) => one.textContent.endsWith("on your device")).length === 2"""
TIME = """async ([network, size, rounds]) => {
    await Lab.network(network);
    const picture = Float32Array.from({length: 3 * size * size}, (_, i) => (i % 97) / 97);
    const job = {network, scramble: 0, seed: 0, size, picture, target: 0, method: "gradient", options: {}};
    const times = [];
    for (let round = 0; round < rounds + 3; round++) {
        const began = performance.now();
        await Lab.explained("bench", job);
        times.push(performance.now() - began);
    }
    return times.slice(3); // less those in which the browser still compiles
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(described(machine()))
    html = build.build().parent
    figures = {}
    with launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(180_000)
        page.goto((html / "book/laboratory.html").as_uri())
        page.evaluate(WATCH)
        page.locator(".lab-start").click()
        page.wait_for_function(READY)
        figures["start"] = {"longest_block_ms": page.evaluate("longest")}
        page.evaluate("window.longest = 0")
        page.locator(".lab-panel select").nth(2).select_option("smoothgrad")
        page.wait_for_timeout(100)
        page.wait_for_function(READY)
        figures["smoothgrad"] = {"longest_block_ms": page.evaluate("longest")}
        for name, size in NETWORKS.items():
            figures[name] = {"gradient_ms": statistics.median(page.evaluate(TIME, [name, size, options.rounds]))}
    figures = {name: {what: round(value, 1) for what, value in found.items()} for name, found in figures.items()}
    for name, found in figures.items():
        print(f"{name:24}", *(f"{what} {value:.0f}" for what, value in found.items()))
    print(closing(write("laboratory", figures)))


if __name__ == "__main__":
    main()
