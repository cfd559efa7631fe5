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
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interleaved
from ui_server import serving
from ui_studies import growing, invented, trained

PARTS = ("start", "lists", "long", "watch", "load")
CURVES = "metric=train/loss&metric=validation/loss&metric=validation/accuracy&metric=lr"
SETTLED = 6.0  # seconds after which the server has imported what it will need


# ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────

Seconds = dict[str, list[float]]


def clocked(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


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
    given = words.parse_args()
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
