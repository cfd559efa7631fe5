"""A shortened soak: hours of use in a minute; what the server holds stays as it was."""

import http.client
import itertools
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from asking import a_study
from test_bad_studies import growing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc"),
]

WARM, ROUNDS, PAGES = 3, 10, 300  # rounds before measuring, rounds after, pages a round
GROWTH = 12.0  # MB that the server may grow by in all rounds, 3,000 pages and 200 streams; 8 kB a page are 24
SERVER = """
import sys
from pathlib import Path
from passo.web.server import serve
from passo.web import answering
if sys.argv[2] == "leak":  # of each page something is kept: what the test is there to find
    kept, handled = [], answering._handled
    answering._handled = lambda handler, asked: kept.append(bytearray(8000)) or handled(handler, asked)
serve(Path(sys.argv[1]), browser=False, port=21000, told=lambda address, port: print(address, flush=True))
"""


class Soaked:
    """A server in a process of its own, and what it holds."""

    def __init__(self, root: Path, how: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root), how], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        address = self.process.stdout.readline().strip()
        self.port = int(address.rpartition(":")[2].partition("/")[0])
        while True:
            try:
                status, headers = self.ask(address.partition(str(self.port))[2], "")
                break
            except ConnectionError:
                time.sleep(0.01)
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]

    def ask(self, path: str, cookie: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"cookie": cookie, "accept": "text/html"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    def listen(self) -> None:
        """Open a stream, hear its first news, and go away in the middle of it."""
        stream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        stream.request("GET", "/study/growing/live", headers={"cookie": self.cookie})
        assert stream.getresponse().readline().startswith(b"event")
        stream.close()

    def holds(self) -> tuple[float, int, int]:
        """Resident memory in MB, threads, handles."""
        place = Path(f"/proc/{self.process.pid}")
        pages = int((place / "statm").read_text().split()[1])
        return (
            pages * os.sysconf("SC_PAGESIZE") / 1e6,
            len(list((place / "task").iterdir())),
            len(list((place / "fd").iterdir())),
        )

    def settled(self, handles: int) -> tuple[float, int, int]:
        """The same, once streams that were left are closed: a server notices when it next speaks."""
        end = time.monotonic() + 30
        while (found := self.holds())[2] > handles and time.monotonic() < end:
            time.sleep(0.2)
        return found


@contextmanager
def soaked(root: Path, how: str):
    server = Soaked(root, how)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()
        server.process.stdout.close()


def used(root: Path, how: str) -> tuple[tuple[float, int, int], tuple[float, int, int]]:
    """What a server holds when it is warm, and after hours of use."""
    for number in range(5):
        a_study(root, f"study-{number}")
    bad = a_study(root, "bad")
    (bad / "study.sqlite").write_bytes(b"no database" * 100)
    paths = [
        *("/", "/runs", "/runs?sort=-test/accuracy", "/study/growing", "/study/growing/run/adam-s0", "/averages"),
        *("/study/growing/run/adam-s0/series?metric=train/loss", "/study/study-1/compare", "/study/none", "/study/bad"),
        "/overlay?run=study-1/adam-s0&run=growing/adam-s0",
    ]
    asked = itertools.cycle(paths)
    with growing(root) as grow, soaked(root, how) as server:

        def round_() -> None:
            for number in range(PAGES):
                path = next(asked)
                if path.endswith("train/loss"):  # each zoom is another question
                    path += f"&from={number}"
                status, _ = server.ask(path, server.cookie)
                assert status == (500 if "bad" in path else 404 if "none" in path else 200), path
                if number % 30 == 0:
                    grow()
            listeners = [threading.Thread(target=server.listen) for _ in range(20)]
            for one in listeners:
                one.start()
            for one in listeners:
                one.join(60)

        for _ in range(WARM):
            round_()
        warm = server.settled(0 if how == "leak" else 20)
        for _ in range(ROUNDS):
            round_()
        return warm, server.settled(warm[2])


def test_a_server_that_is_used_for_long_holds_no_more_than_when_it_was_warm(tmp_path: Path):
    warm, after = used(tmp_path, "sound")
    print("warm", warm, "after", after)
    assert after[0] - warm[0] < GROWTH, (warm, after)
    assert after[1] <= warm[1] + 2 and after[2] <= warm[2] + 2, (warm, after)


def test_a_leak_of_a_few_kilobytes_a_page_would_be_found(tmp_path: Path):
    warm, after = used(tmp_path, "leak")
    assert after[0] - warm[0] > GROWTH, (warm, after)
