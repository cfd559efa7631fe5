"""What happens while it happens: server-sent events, when a study's files change.

A study is looked at five times a second, however many pages listen; a page that hears of a change asks for what it
shows. Nothing is held open on a study, so that it can be moved or deleted while it is watched.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from passo.errors import PassoError, UnknownName
from passo.language import speaking, t
from passo.store import patient
from passo.telling import told
from passo.web.answering import spoken
from passo.web.groups import mark
from passo.web.laboratory import Laboratory
from passo.web.shelf import stamp

PERIOD = 0.2  # seconds between two looks
SHARE = 10  # a look that takes long, in processor time, is followed by so many times as long without one,
LONGEST = 3.0  # but by no more than so many seconds
BEAT = 15.0  # seconds of silence after which a line is sent, so that a page knows that it is still connected
MOST = 200  # pages that listen at a time


@dataclass
class Watch:
    """What is known of one study, and who waits for the next news of it."""

    state: dict[str, object] = field(default_factory=dict)
    number: int = 0
    listeners: int = 0
    due: float = 0.0  # when it is looked at next


def stream(lab: Laboratory) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of events of a study."""
    watches: dict[str, Watch] = {}

    async def answered(request: Request) -> Response:
        name = request.path_params["study"]
        if sum(watch.listeners for watch in watches.values()) >= MOST:
            with speaking(spoken(request)):
                return JSONResponse({"error": t("too many pages listen")}, 503)
        try:
            lab.shelf.folder(name)
        except PassoError as error:
            with speaking(spoken(request)):
                return JSONResponse({"error": told(str(error))}, 404)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        with speaking(spoken(request)):
            words = {
                "gone": t("This study is gone: it was moved or deleted. What was read of it still stands here."),
                "unreadable": t("This study cannot be read just now. What was read of it still stands here."),
            }
        return StreamingResponse(_events(lab, name, watches, words), media_type="text/event-stream", headers=headers)

    return answered


async def _events(
    lab: Laboratory, name: str, watches: dict[str, Watch], words: Mapping[str, str]
) -> AsyncIterator[str]:
    """News of a study, as long as somebody listens; whoever first finds it time to look looks for all.

    `words` are said of a study that is gone, or cannot be read just now.
    """
    watch = watches.setdefault(name, Watch())
    watch.listeners += 1
    seen = -1
    try:
        silent = anyio.current_time()
        while True:
            now = anyio.current_time()
            if now >= watch.due:
                watch.due, took = math.inf, 0.0  # the others need not look as well
                try:
                    took = await _look(lab, name, watch)
                finally:
                    rest = max(PERIOD, min(LONGEST, SHARE * took))
                    watch.due = anyio.current_time() + rest - PERIOD / 10
            if watch.state and watch.number != seen:
                seen, silent = watch.number, now
                status = str(watch.state.get("status"))
                yield f"event: study\ndata: {json.dumps({**watch.state, 'told': words.get(status, '')})}\n\n"
                if status not in ("running", "unreadable"):
                    yield "event: end\ndata: {}\n\n"
                    return
            elif now - silent > BEAT:
                silent = now
                yield ": still here\n\n"
            await anyio.sleep(PERIOD)
    finally:
        watch.listeners -= 1
        if not watch.listeners:
            watches.pop(name, None)


async def _look(lab: Laboratory, name: str, watch: Watch) -> float:
    """See how the study stands; the processor time that it took, which a busy machine does not lengthen."""
    found, took = await anyio.to_thread.run_sync(_seen, lab, name)
    if found != watch.state:
        watch.state = found
        watch.number += 1
    return took


def _seen(lab: Laboratory, name: str) -> tuple[dict[str, object], float]:
    begun = time.thread_time()
    return _state(lab, name), time.thread_time() - begun


def _state(lab: Laboratory, name: str) -> dict[str, object]:
    """How a study stands, and a mark that changes with its files.

    "gone" is one that is not there any more, "unreadable" one that is there and cannot be read just now.
    """
    try:
        folder = lab.shelf.folder(name)
        with patient(PERIOD):
            found = lab.shelf.outline(name)
    except UnknownName:
        return {"status": "gone"}
    except PassoError:
        return {"status": "unreadable" if (lab.root / name).exists() else "gone"}
    done = sum(run.status == "done" for run in found.runs)
    running = [run.id for run in found.runs if run.status == "running"]
    return {
        "status": found.status,
        "done": done,
        "runs": len(found.runs),
        "running": running,
        "mark": hash(stamp(folder)),
        "groups": hash(tuple(mark(folder))),
    }
