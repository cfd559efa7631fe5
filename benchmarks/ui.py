"""`passo ui` asked over loopback: is it quick with many studies, many runs, a long run, and many who watch one run?

    python benchmarks/ui.py [--part start lists long watch load] [--rounds 5] [--folder FOLDER] [--out FILE.json]

The server is `passo ui` in a process of its own, the clients are in this one (`load`: in another one). Studies are
written by the ordinary writer with invented numbers; the long run is a real training with every step watched by
default settings.

    start   from the command to the first page, of a root with 100 studies
    lists   the first page with 100 studies; the list of 10,000 runs, in one study and in 100: cold, warm, sorted,
            filtered, another page. The peer reads the same with the store alone, in this process
    long    a run of 20,000 steps: its page, its curves, its first figure; and a stretch at full resolution. The peer
            reads its curves with the store alone
    watch   50 clients that watch one run which grows by 20 steps five times a second, and ask for its curves at each
            news: how old the news is when it comes, what the server takes of a core, and what the writing takes
    load    50 streams and 100 page requests a second for a minute (--seconds): errors, latencies, memory, handles

With `--folder`, studies are kept there, and used again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import interleaved

PARTS = ("start", "lists", "long", "watch", "load")
STEPS = 20_000
CURVES = "metric=train/loss&metric=validation/loss&metric=validation/accuracy&metric=lr"
TICK = 0.2  # seconds between two writings of a run that grows
SETTLED = 6.0  # seconds after which the server has imported what it will need
GROWTH = 20  # steps that it then grows by


# ── What is asked ─────────────────────────────────────────────────────────────────────────────────────────


def invented(root: Path, studies: int, runs: int, epochs: int = 20) -> Path:
    """That many finished studies of that many runs each."""
    from passo.store import Store

    drawn = random.Random(0)
    for number in range(studies):
        folder = root / f"study-{number:03d}"
        if folder.exists():
            continue
        with Store.create(folder, name=folder.name, config={"metric": "test/accuracy"}) as store:
            for one in range(runs):
                run = store.add_run(f"run-{one:05d}", config={"optimizer": {"name": "adam", "lr": 0.001}}, seed=0)
                level = drawn.uniform(0.3, 1.0)
                for epoch in range(1, epochs + 1):
                    loss = level + 2 / epoch
                    run.scalars(epoch, float(epoch), {"train/loss": loss, "lr": 0.001, "validation/loss": loss + 0.1})
                run.scalars(
                    epochs, float(epochs), {"validation/accuracy": 1 - level / 4, "test/accuracy": 1 - level / 3}
                )
                run.finish()
    return root


def trained(root: Path) -> Path:
    """A real training of 20,000 steps with every step watched."""
    folder = root / "long"
    if not folder.exists():
        words = [
            "dataset=fashion-mnist-sample",
            "model=mlp",
            "optimizer=adam",
            "lr=0.001",
            "epochs=466",
            "record.every=1",
        ]
        command = [sys.executable, "-m", "passo", "train", *words, "--out", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return root


def grow(folder: str, seconds: float) -> None:
    """A study whose one run grows, and then ends; in a process of its own. It prints the share of the time it wrote."""
    from passo.store import Store

    shutil.rmtree(folder, ignore_errors=True)
    wrote, step, end = 0.0, 0, time.monotonic() + seconds
    with Store.create(folder, name="growing", config={}) as study:
        run = study.add_run("adam", config={}, seed=0)
        while time.monotonic() < end:
            begun = time.perf_counter()
            for _ in range(GROWTH):
                step += 1
                run.scalars(step, step / 100, {"train/loss": 1 / step, "lr": 0.001})
            run.scalars(step, step / 100, {"validation/loss": time.time()})  # when this was written
            run.flush()
            wrote += time.perf_counter() - begun
            time.sleep(TICK)
        run.finish()
    print(wrote / seconds)


# ── The server, and a client ──────────────────────────────────────────────────────────────────────────────


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


def clocked(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


# ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────

Seconds = dict[str, list[float]]


def starts(place: Path, rounds: int) -> Seconds:
    root = invented(place / "hundred", 100, 100)
    seconds: Seconds = {}
    for _ in range(rounds):
        with serving(root) as server:
            server.asked("/")
            seconds.setdefault("passo ui, to the first page", []).append(time.perf_counter() - server.begun)
    return seconds


def lists(place: Path, rounds: int) -> Seconds:
    from passo.store import outline

    seconds: Seconds = {}
    roots = {"100 × 100": invented(place / "hundred", 100, 100), "1 × 10,000": invented(place / "one", 1, 10_000)}
    asked = {
        "again": "/runs",
        "sorted": "/runs?sort=-test/accuracy",
        "filtered": "/runs?q=run+77&status=done",
        "page 50": "/runs?page=50",
        "sorted, page 100": "/runs?sort=test/accuracy&page=100",
    }
    for _ in range(rounds):
        for name, root in roots.items():

            def read(root: Path = root) -> None:
                for folder in root.iterdir():
                    found = outline(folder)
                    for metric in ("test/accuracy", "validation/accuracy", "validation/loss", "test/loss"):
                        found.lasts(metric)

            seconds.setdefault(f"{name}: the store alone", []).append(clocked(read))
            with serving(root) as server:
                seconds.setdefault(f"{name}: first page, cold", []).append(server.timed("/"))
                seconds.setdefault(f"{name}: first page, again", []).append(server.timed("/"))
                seconds.setdefault(f"{name}: all runs, cold", []).append(server.timed("/runs"))
                for told, path in asked.items():
                    seconds.setdefault(f"{name}: all runs, {told}", []).append(server.timed(path))
                if name.startswith("1 "):
                    seconds.setdefault(f"{name}: a run of it", []).append(
                        server.timed("/study/study-000/run/run-05000-s0")
                    )
    return seconds


def long_run(place: Path, rounds: int) -> Seconds:
    from passo.store import open_study

    root = trained(place / "real")
    run = open_study(root / "long").runs[0].id
    address = f"/study/long/run/{run}"
    seconds: Seconds = {}

    def read() -> None:
        found = open_study(root / "long").run(run)
        for name in re.findall(r"metric=([^&]*)", CURVES):
            found.metric(name)

    for _ in range(rounds):
        seconds.setdefault("20,000 steps: the store alone, curves", []).append(clocked(read))
        with serving(root) as server:
            server.asked("/")
            time.sleep(SETTLED)  # as long as somebody looks at the first page
            parts = {
                "its page": address,
                "its curves": f"{address}/series?{CURVES}",
                "its first figure": f"{address}/figure/apart",
                "a stretch at full resolution": f"{address}/series?{CURVES}&from=9000&to=10000",
                "its page, again": address,
                "its curves, again": f"{address}/series?{CURVES}",
                "its first figure, again": f"{address}/figure/apart",
            }
            for name, path in parts.items():
                seconds.setdefault(f"20,000 steps: {name}", []).append(server.timed(path))
        opening = ("its page", "its curves", "its first figure")
        whole = sum(seconds[f"20,000 steps: {name}"][-1] for name in opening)
        seconds.setdefault("20,000 steps: opened, these three", []).append(whole)
    return seconds


def growing(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """A process in which a study grows."""
    words = [sys.executable, __file__, "--grow", str(folder), "--seconds", str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    while not (folder / "study.sqlite-wal").exists():
        time.sleep(0.01)
    time.sleep(3 * TICK)
    return process


def watch(place: Path, clients: int, seconds: float) -> dict[str, Any]:
    """What many who watch one run get, and cost."""
    root = place / "growing"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    writer = growing(root / "growing", seconds + 5)
    ages: list[float] = []
    news = [0] * clients
    end = time.monotonic() + seconds
    with serving(root) as server:
        before = server.holds()

        def listen(number: int) -> None:
            stream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            stream.request("GET", "/study/growing/live", headers={"cookie": server.cookie})
            answer = stream.getresponse()
            while time.monotonic() < end and (line := answer.readline()):
                if line.startswith(b"event: study"):
                    _, body = server.asked("/study/growing/run/adam-s0/series?" + CURVES)
                    ages.append(time.time() - json.loads(body)["curves"]["validation/loss"]["y"][-1])
                    news[number] += 1
            stream.close()

        spent, begun = server.processor(), time.monotonic()
        threads = [threading.Thread(target=listen, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
        share = (server.processor() - spent) / took
        after = server.holds()
    wrote, _ = writer.communicate()
    return {
        "clients": clients,
        "news_a_second_each": round(statistics.mean(news) / took, 2),
        "age_of_the_news_s": percentiles(ages),
        "server_share_of_a_core": round(share, 3),
        "writer_share_of_its_time": round(float(wrote), 4),
        "before": before,
        "after": after,
    }


def percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{q}": round(ordered[min(len(ordered) - 1, len(ordered) * q // 100)], 4) for q in (50, 95, 99)}


def load(place: Path, clients: int, rate: int, seconds: float) -> dict[str, Any]:
    """Streams and page requests from a process of its own; what came of them, and what the server held."""
    root = invented(place / "hundred", 100, 100)
    shutil.rmtree(root / "growing", ignore_errors=True)
    writer = growing(root / "growing", seconds + SETTLED + 8)
    with serving(root) as server:
        for path in pages():
            server.asked(path)
        time.sleep(SETTLED)
        before, spent = server.holds(), server.processor()
        given = {"port": server.port, "cookie": server.cookie, "clients": clients, "rate": rate, "seconds": seconds}
        words = [sys.executable, str(Path(__file__).with_name("ui_load.py")), json.dumps({**given, "paths": pages()})]
        told = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
        share = (server.processor() - spent) / seconds
        time.sleep(2)
        after = server.holds()
    writer.communicate()
    shutil.rmtree(root / "growing")
    return {**json.loads(told), "server_share_of_a_core": round(share, 3), "before": before, "after": after}


def pages() -> list[str]:
    """What the load asks for, in turn."""
    growing = "/study/growing/run/adam-s0"
    return [
        *("/", "/runs", "/study/study-007", "/study/study-007/run/run-00042-s0", growing, f"{growing}/series?{CURVES}"),
        *("/runs?sort=-test/accuracy&page=3", "/runs?q=study-01+run-0001", "/averages", "/static/ui.css"),
    ]


# ── Saying it ─────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--part", nargs="+", choices=PARTS, default=PARTS[:-1])
    words.add_argument("--load", action="store_true", help="the same as --part load")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--clients", type=int, default=50)
    words.add_argument("--rate", type=int, default=100)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--folder", type=Path, help="keep the studies here, and use those that are here")
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    words.add_argument("--grow", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.grow:
        grow(given.grow, given.seconds)
        return
    wanted = ("load",) if given.load else given.part
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        for name, part in {"start": starts, "lists": lists, "long": long_run}.items():
            if name in wanted:
                facts[name] = part(place, given.rounds)
                print(interleaved.table(("", "ms", "quartiles"), told(facts[name])))
        if "watch" in wanted:
            facts["watch"] = watch(place, given.clients, min(given.seconds, 20))
        if "load" in wanted:
            facts["load"] = load(place, given.clients, given.rate, given.seconds)
        for name in ("watch", "load"):
            for key, value in facts.get(name, {}).items():
                print(f"{name}  {key}: {value}")
    interleaved.write(given.out, facts)


def told(seconds: Seconds) -> list[list[str]]:
    """Rows in milliseconds; what a store alone takes, as a ratio beside what it is the peer of."""
    rows = []
    for name, each in seconds.items():
        low, middle, high = statistics.quantiles([*each, *each], n=4, method="inclusive")
        rows.append([name, f"{1e3 * middle:.0f}", f"{1e3 * low:.0f}–{1e3 * high:.0f}"])
    return rows


if __name__ == "__main__":
    main()
