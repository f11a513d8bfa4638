"""What all tests share: a cache of their own, a browser, and a web server that can misbehave."""

from __future__ import annotations

import collections
import http.server
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

BUDGETS = Path(__file__).with_name("budgets.json")
"""How many seconds a file of tests may take, on one core; for all that are not named, ``"other"``."""
_seconds: collections.Counter[str] = collections.Counter()


def pytest_runtest_logreport(report):
    _seconds[report.location[0]] += report.duration


def pytest_terminal_summary(terminalreporter):
    budgets = json.loads(BUDGETS.read_text(encoding="utf-8"))
    terminalreporter.section("seconds on one core")
    terminalreporter.line(f"{sum(_seconds.values()):6.0f}  in all")
    for file, seconds in _seconds.most_common():
        budget = budgets.get(file, budgets["other"])
        if seconds > budget or seconds >= _seconds.most_common(10)[-1][1]:
            terminalreporter.line(f"{seconds:6.0f}  of {budget:3}  {'OVER  ' if seconds > budget else ''}{file}")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Tests neither use nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium or Chrome, closed after each file: Playwright's event loop must not meet another one."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    with playwright.sync_playwright() as api:
        found = next(filter(None, map(shutil.which, names)), api.chromium.executable_path)
        if not os.path.isfile(found):
            pytest.skip("this needs Chromium or Chrome")
        browser = api.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=180_000)
        yield browser
        browser.close()


class Server:
    """Serves ``files``; each entry of ``cuts`` ends one answer for that name after so many bytes."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.cuts: dict[str, list[int]] = {}
        self.ignores_ranges = False
        self.requests: list[tuple[str, str | None]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, handler):
        name, wanted = handler.path.lstrip("/"), handler.headers.get("Range")
        self.requests.append((name, wanted))
        if name not in self.files:
            return handler.send_error(404)
        body, start = self.files[name], 0
        if wanted and not self.ignores_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return handler.send_error(416)
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        cuts = self.cuts.get(name)
        end = start + cuts.pop(0) if cuts else len(body)
        try:
            handler.wfile.write(body[start:end])
        except ConnectionError:
            pass  # The client had enough.


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def mirror():
    server = Server()
    yield server
    server.close()
