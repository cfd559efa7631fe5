"""A server on a port of its own, asked over real sockets: what a browser sends, and what an attacker may send."""

import http.client
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from passo.store import Store
from passo.web.laboratory import Laboratory


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
