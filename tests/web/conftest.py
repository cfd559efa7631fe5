"""A server on a port of its own."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import Asking, a_study

from passo.web.app import create_app
from passo.web.keys import COOKIE
from passo.web.laboratory import Laboratory
from passo.web.server import bound, hosts
from passo.web.worker import Worker

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "studies"
    place.mkdir()
    a_study(place, "first")
    return place


@pytest.fixture(scope="session")
def warm() -> Iterator[Worker]:
    """One process with torch for all tests; it starts when it is first asked."""
    worker = Worker()
    yield worker
    worker.stop()


@pytest.fixture
def outside(root: Path, warm: Worker) -> Iterator[Asking]:
    """A client without a cookie."""
    import uvicorn

    listening = bound("127.0.0.1", 20000)
    port = listening.getsockname()[1]
    lab = Laboratory(root, hosts("127.0.0.1", port))
    lab.worker = warm
    server = uvicorn.Server(uvicorn.Config(create_app(lab), log_level="error", server_header=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield Asking(port, lab)
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def page(outside: Asking) -> Asking:
    """A client that came in by the token."""
    answer = outside.get(f"/?token={outside.lab.keys.token}")
    assert answer.status == 200
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"{COOKIE}=")
    return Asking(outside.port, outside.lab, cookie)


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists():
        pytest.skip("no Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, outside: Asking):
    """Opens a page of a fresh session, in a language; what it logs and asks for is checked at the end."""
    contexts, logged, asked = [], [], []

    def open_(path: str, locale: str = "en-US"):
        context = chromium.new_context(locale=locale, viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: logged.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{outside.port}/?token={outside.lab.keys.token}")
        page.wait_for_selector("h1:not(:text-is('passo'))")
        page.goto(f"http://127.0.0.1:{outside.port}{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert logged == []
    own = (f"http://127.0.0.1:{outside.port}/", "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
