"""A server on a port of its own, asked over real sockets: what a browser sends, and what an attacker may send."""

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from passo.store import Store
from passo.web.app import create_app
from passo.web.keys import COOKIE
from passo.web.laboratory import Laboratory
from passo.web.server import bound, hosts


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Asking:
    """One client: `get` and `post` as a browser with the session's cookie, or with whatever headers are given."""

    port: int
    lab: Laboratory
    cookie: str = ""
    sent: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given.setdefault("cookie", self.cookie)
        connection.putrequest(method, path, skip_host="host" in given, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **{"accept": "text/html", **headers})

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        kind = {"content_type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields).encode(), **{**kind, **headers})

    @property
    def key(self) -> str:
        return self.lab.keys.form


def a_study(root: Path, name: str, runs: tuple[str, ...] = ("adam", "sgd")) -> Path:
    """A finished study of a few runs with curves."""
    with Store.create(root / name, name=name, config={"epochs": 2}) as study:
        for run in runs:
            writer = study.add_run(run, config={"optimizer": {"name": run}}, seed=0)
            for step in range(1, 41):
                writer.scalars(step, step / 20, {"train/loss": float(np.exp(-step / 20))})
            writer.scalars(40, 2.0, {"test/accuracy": 0.75})
            writer.finish()
    return root / name


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
