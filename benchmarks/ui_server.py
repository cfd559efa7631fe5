"""`passo ui` in a process of its own, as `benchmarks/ui.py` asks it, and what it takes."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Server:
    """`passo ui` of a root, and a session in it."""

    def __init__(self, root: Path) -> None:
        self.begun = time.perf_counter()
        words = [sys.executable, "-m", "passo", "ui", str(root), "--no-browser", "--port", "28700"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        address = ""
        while not (found := re.search(r"http://[^:]+:(\d+)(/\?token=\S+)", address)):
            address = self.process.stdout.readline()
            if not address:
                raise SystemExit("passo ui ended")
        self.port, self.cookie = int(found[1]), ""
        self.local = threading.local()
        while True:
            try:
                headers, _ = self.asked(found[2])
                break
            except ConnectionError:
                time.sleep(0.005)
        self.cookie = headers["set-cookie"].partition(";")[0]

    def asked(self, path: str) -> tuple[dict[str, str], bytes]:
        """One request, over a connection of this thread that is kept."""
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"cookie": self.cookie, "accept": "text/html"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.local.connection = None
            if self.cookie and isinstance(error, http.client.RemoteDisconnected):  # it was idle, and was closed
                return self.asked(path)
            raise ConnectionError(path) from error
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} for {path}: {body[:300]!r}")
        return {name.lower(): value for name, value in answer.getheaders()}, body

    def timed(self, path: str) -> float:
        begun = time.perf_counter()
        self.asked(path)
        return time.perf_counter() - begun

    def processor(self) -> float:
        """Seconds of processor time so far."""
        told = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    def holds(self) -> dict[str, float]:
        """What the process holds: memory in MB, threads, handles."""
        place = Path(f"/proc/{self.process.pid}")
        resident = int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
        return {
            "resident_MB": round(resident, 1),
            "threads": len(list((place / "task").iterdir())),
            "handles": len(list((place / "fd").iterdir())),
        }

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    server = Server(root)
    try:
        yield server
    finally:
        server.stop()
