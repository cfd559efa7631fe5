"""Ray, connected: to a cluster at an address, or to one that is begun on this machine and ends with its block."""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from passo.errors import ConfigError, PassoError, TrainingError, require

KNOCK, ANSWER = 5.0, 15.0  # seconds that a machine has to be there, and Ray on it to answer; Ray would try for minutes
INSTEAD = "to run on this machine without Ray: --executor auto"
_TOKEN = secrets.token_hex(32)  # of the clusters that this process begins
SKIP = "RAY_DEDUP_LOGS_SKIP_REGEX"
_DEAD = "A worker died or was killed|killed due to (the node|memory)"  # of Ray's own messages: the study tells it


@contextmanager
def cluster(address: str | None = None, cpus: int | None = None) -> Iterator[Any]:
    """The module `ray`, connected for the length of the block.

    A connection that this process has already, as in a notebook, is used and stays. Else it is `address` (HOST:PORT
    or "auto", of the cluster that this machine belongs to), or the variable RAY_ADDRESS. Without any, a
    cluster of `cpus` processors (default: all) is begun here: without dashboard, its files in a folder that goes with
    it, and nothing reported to anybody. Ray listens on the network; only who has the token of this process gets in.

    Raises `MissingExtra`, and `TrainingError` where the address does not answer.
    """
    with _environment({SKIP: os.environ.get(SKIP, _DEAD)}):  # read when Ray is imported
        ray: Any = require("ray", "ray")
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    with ExitStack() as opened:
        opened.enter_context(_quiet())
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        if address == "local":
            opened.enter_context(_environment(_own()))
            options |= {"num_cpus": cpus or os.cpu_count() or 1, "include_dashboard": False}
            options["_temp_dir"] = opened.enter_context(_folder())
        else:
            _ask(address)
        opened.callback(ray.shutdown)
        with _own_signals():
            _connect(ray, address, options)
        yield ray


def _connect(ray: Any, address: str, options: Mapping[str, Any]) -> None:
    try:
        ray.init(address, **options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what = "Ray cannot begin here" if address == "local" else f"Ray at {address} does not answer"
        raise TrainingError(f"{what} ({_line(str(error))}); {INSTEAD}") from error


def _ask(address: str) -> None:
    """Raise where nobody answers; another process asks, since Ray's own patience cannot be cut short."""
    if address != "auto":
        _knock(address)
    code = f"import ray; ray.init({address!r}, log_to_driver=False)"
    try:
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=ANSWER)
    except subprocess.TimeoutExpired:
        raise _unanswered(address, f"tried for {ANSWER:g} s") from None
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or ["it gave up"]
        raise _unanswered(address, _line(said[-1]))


def _knock(address: str) -> None:
    """Raise at once where there is nobody at all."""
    found = re.fullmatch(r"\[?([^/\s]+?)\]?:(\d{1,5})", address)
    if found is None:
        raise ConfigError(f"the address of a Ray cluster is HOST:PORT or auto, got {address!r}")
    try:
        socket.create_connection((found[1], int(found[2])), KNOCK).close()
    except (OSError, OverflowError) as error:
        raise _unanswered(address, getattr(error, "strerror", None) or str(error)) from error


def _unanswered(address: str, why: str) -> PassoError:
    return TrainingError(
        f"Ray at {address} does not answer ({why}); see whether `ray status` answers on the cluster's first "
        f"machine, and this one may reach it; {INSTEAD}"
    )


def _line(text: str) -> str:
    """The first line, as part of a sentence."""
    return (text.strip().splitlines() or ["no reason is given"])[0].rstrip(".")


def _own() -> dict[str, str | None]:
    """The environment of a cluster of our own: no reports, and a token, which Ray else would write into the home."""
    told: dict[str, str | None] = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE")}
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if not named and not Path("~/.ray/auth_token").expanduser().exists():
        told["RAY_AUTH_TOKEN"] = _TOKEN
    return told


@contextmanager
def _environment(told: Mapping[str, str | None]) -> Iterator[None]:
    """Variables inside the block (None: not there); afterwards they are what they were."""
    before = {name: os.environ.get(name) for name in told}
    _set(told)
    try:
        yield
    finally:
        _set(before)


def _set(told: Mapping[str, str | None]) -> None:
    for name, value in told.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _folder() -> Iterator[str]:
    """For the cluster's logs and sockets; the names of sockets may not be long."""
    short = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="passo-ray-", dir=short, ignore_cleanup_errors=True) as name:
        yield name


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it connects; who called has it back."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
