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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "studies"
    place.mkdir()
    a_study(place, "first")
    return place


@pytest.fixture
def outside(root: Path) -> Iterator[Asking]:
    """A client without a cookie."""
    import uvicorn

    listening = bound("127.0.0.1", 20000)
    port = listening.getsockname()[1]
    lab = Laboratory(root, hosts("127.0.0.1", port))
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
