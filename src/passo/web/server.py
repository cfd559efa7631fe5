"""`passo ui`: find a port, say the address, open the browser, and serve until Ctrl-C."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from passo.errors import UsageError, require
from passo.web.app import create_app
from passo.web.keys import COOKIE, Keys
from passo.web.laboratory import Laboratory
from passo.web.lazy import Lazy

PORT, TRIED = 8765, 50
SETTLED = 0.7  # seconds after which there is time for what the first page does not need
LOCAL = ("127.0.0.1", "localhost", "::1")


def bound(host: str, port: int) -> socket.socket:
    """A socket on the first free port from `port` on; raises `UsageError` where none of the next ones is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in range(port, min(port + TRIED, 65536)):
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio lets answers wait
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, wanted))
        except OSError as error:
            found.close()
            if error.errno in (13, 99):  # not permitted, or not this machine's address
                raise UsageError(
                    f"cannot listen on {host}:{wanted}: {(error.strerror or str(error)).lower()}"
                ) from None
            continue
        found.listen(128)
        return found
    raise UsageError(f"ports {port} to {port + TRIED - 1} are in use: give another with --port")


def _ended(number: int, frame: object) -> None:
    """SIGTERM ends the server as Ctrl-C does: what its queue trains is stopped, with its state kept."""
    raise SystemExit(128 + number)


def hosts(host: str, port: int) -> frozenset[str]:
    """The names under which the server may be asked."""
    names = {host, *(("127.0.0.1", "localhost") if host in LOCAL else ())}
    return frozenset(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in names)


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    browser: bool = True,
    told: Callable[[str, int], None] = lambda address, port: None,
    stopping: Callable[[str], None] = lambda command: None,
) -> None:
    """Serve the studies under a root; `told` gets the address with its token, and the port that was found.

    At the end `stopping` gets the command of its queue that has to be waited for, where one runs.
    """
    uvicorn = require("uvicorn", "web")
    listening = bound(host, port)
    found = listening.getsockname()[1]
    lab = Laboratory(root, hosts(host, found), Keys(secrets.token_urlsafe(24), f"{COOKIE}-{found}"))
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{found}/?token={lab.keys.token}"
    config = uvicorn.Config(
        create_app(lab), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    told(address, found)
    if browser:
        with suppress(webbrowser.Error):
            webbrowser.open(address)
    later = threading.Timer(SETTLED, _prepare, (lab,))
    later.daemon = True
    later.start()
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # uvicorn sends SIGTERM again at its end; a closed terminal sends SIGHUP
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _ended)
    try:
        server.run(sockets=[listening])
    finally:
        later.cancel()
        lab.worker.stop()
        lab.errands.stop()
        if (job := lab.jobs.running) is not None:
            with suppress(Exception):  # a terminal that is closed
                stopping(job.command)
        lab.jobs.close()


def _prepare(lab: Laboratory) -> None:
    """The process that has torch, and the modules that draw: the first figure need not wait for them."""
    lab.worker.warm()
    for module in Lazy.known:
        module.imported()
