"""The clients of `benchmarks/ui.py --load`, in a process of their own: streams that listen, and requests at a rate.

Requests are sent when they are due, whether or not earlier ones were answered, over connections that are kept.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterable
from typing import Any

LATE = 30.0  # seconds after which an answer counts as none


class Clients:
    """What the clients of one server saw."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.head = port, f"Host: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nAccept: text/html\r\n\r\n"
        self.latencies: dict[str, list[float]] = {}
        self.errors: list[str] = []
        self.news = 0
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, path: str, due: float) -> None:
        """One page, and how long after it was due its last byte came."""
        try:
            async with asyncio.timeout(LATE):
                head = await self._answer(path)
            if " 200 " not in head.partition("\r\n")[0]:
                self.errors.append(f"{path}: {head.partition(chr(13))[0]}")
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.errors.append(f"{path}: {error!r}")
        else:
            self.latencies.setdefault(path, []).append(time.perf_counter() - due)

    async def _answer(self, path: str) -> str:
        """The head of an answer that was read whole; one that was idle too long is closed, and asked over another."""
        while True:
            kept = bool(self._idle)
            reader, writer = self._idle.pop() if kept else await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\n{self.head}".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            except (ConnectionError, asyncio.IncompleteReadError):
                if not kept:
                    raise
                continue
            await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
            self._idle.append((reader, writer))
            return head

    async def listen(self, path: str, end: float) -> None:
        """A stream of events, until the end."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
            writer.write(f"GET {path} HTTP/1.1\r\n{self.head}".encode())
            while (left := end - time.perf_counter()) > 0:
                line = await asyncio.wait_for(reader.readline(), left + 1)
                if not line:
                    raise OSError("the stream ended")
                self.news += line.startswith(b"event: study")
            writer.close()
        except (OSError, TimeoutError) as error:
            self.errors.append(f"{path}: {error!r}")


async def run(port: int, cookie: str, clients: int, rate: int, seconds: float, paths: list[str]) -> dict[str, Any]:
    """Streams and requests for that long."""
    there = Clients(port, cookie)
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(there.listen("/study/growing/live", begun + seconds))
        for number, path in zip(range(int(rate * seconds)), itertools.cycle(paths), strict=False):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(there.ask(path, due))
    return {
        "requests": sum(map(len, there.latencies.values())),
        "errors": len(there.errors),
        "first_errors": sorted({*there.errors})[:5],
        "latency_ms": percentiles(itertools.chain.from_iterable(there.latencies.values())),
        "of_each_ms": {path: percentiles(of) for path, of in there.latencies.items()},
        "news_a_second_each": round(there.news / max(1, clients) / seconds, 2),
    }


def percentiles(latencies: Iterable[float]) -> dict[str, float]:
    """In milliseconds."""
    every = sorted(latencies)
    return {f"p{q}": round(1e3 * every[min(len(every) - 1, len(every) * q // 100)], 1) for q in (50, 95, 99)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(**json.loads(sys.argv[1])))))
