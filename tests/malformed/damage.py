"""Valid inputs made wrong, and the one way in which all of them must be answered: by passo's own error, in a sentence.

`refused` hands on inputs until so many different ones were refused. Any other exception, an answer that does not come
and an allocation out of proportion are failures.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import signal
import sqlite3
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from passo.errors import PassoError
from passo.store import DATABASE

T = TypeVar("T")
FEW, MANY = 120, 2000  # malformed inputs in `make test`, and in `make test-all`
SECONDS = 30  # for one input: none takes a hundredth of it
SPARE = 3 * 2**30  # bytes of address space that all inputs of a test may take


def refused(inputs: st.SearchStrategy[T], use: Callable[[T], object], wanted: int, named: str = "") -> None:
    """Call `use` with inputs until `wanted` different ones of them were answered with a `PassoError` naming `named`.

    An input that `use` takes was not malformed, so it does not count; `use` itself judges what comes of it.
    """
    answered = _answered(inputs, use, wanted, named, 3 * wanted)
    assert answered >= wanted, f"only {answered} different inputs were refused"


def tried(inputs: st.SearchStrategy[T], use: Callable[[T], object], wanted: int, named: str = "") -> None:
    """Call `use` with so many inputs: what it refuses it refuses with a `PassoError`, and `use` judges the others."""
    _answered(inputs, use, wanted, named, wanted)


def _answered(inputs: st.SearchStrategy[T], use: Callable[[T], object], wanted: int, named: str, examples: int) -> int:
    """How many different inputs were refused, each in a sentence."""
    answered: set[int] = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples <= 3 * FEW,  # the same ones every time, but for the slow tests, which go on looking
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(inputs)
    def one(given: T) -> None:
        if len(answered) >= wanted:
            return
        with answering():
            try:
                use(given)
            except PassoError as error:
                sentence(error, named)
                answered.add(hash(given if isinstance(given, bytes | str) else repr(given)))

    with bounded(), warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)  # of a long example, where a failure is to be shown
        one()
    return len(answered)


def sentence(error: PassoError, named: str = "") -> None:
    """Hold an error to its form: one line, of a length that is read, which names the file."""
    text = str(error)
    assert "\n" not in text and 0 < len(text) < 1200, text
    assert named in text, text


@contextmanager
def answering() -> Iterator[None]:
    """Fail where no answer comes: an answer within `SECONDS` is no matter of speed, but of an end."""

    def over(*_: object) -> None:
        raise AssertionError(f"no answer within {SECONDS} s")

    old = signal.signal(signal.SIGALRM, over)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


@contextmanager
def bounded() -> Iterator[None]:
    """Let an absurd allocation be a MemoryError, and end the process where compiled code never comes back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else None
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE, hard))
    faulthandler.dump_traceback_later(1200, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with bits flipped, bytes changed, numbers put over others, parts cut out, put in, doubled, or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["flip", "change", "number", "cut", "insert", "double", "end", "zeros"])):
            case "flip" if content:
                content[place] ^= 1 << draw(st.integers(0, 7))
            case "change":
                content[place : place + 1] = draw(st.binary(min_size=1, max_size=3))
            case "number":
                told = draw(st.sampled_from(["<I", "<Q", ">H", ">I", ">Q"]))
                top = 2 ** (8 * struct.calcsize(told)) - 1
                number = struct.pack(told, draw(st.sampled_from([0, 1, top, top // 2, top // 2 + 1])))
                content[place : place + len(number)] = number
            case "cut":
                del content[place : place + draw(st.integers(1, 40))]
            case "insert":
                content[place:place] = draw(st.binary(max_size=20))
            case "double":
                content[place:place] = content[place : place + draw(st.integers(1, 40))]
            case "zeros":
                size = draw(st.integers(1, 600))
                content[place : place + size] = bytes(len(content[place : place + size]))
            case _:
                del content[place:]
    return bytes(content)


ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1, 2**31, 2**62, 2**63, 2**64, 10**30, 10**400, 0.5, 1e308, -0.0]),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), "", "nan", "..", "../../etc/passwd", "/etc/passwd"]),
    st.sampled_from(["a\nb", "\0", "x" * 5000, "1e999", [], {}, [[]], {"": 1}, {"name": 3}, {"name": ""}, [None]]),
    st.text(max_size=6),
    st.integers(),
    st.floats(),
    st.lists(st.integers(-3, 3), max_size=4),
)
"""Values that hardly any key can have."""


@st.composite
def wronged(draw: st.DrawFn, tree: Any) -> Any:
    """A nested value of mappings and lists in which something is replaced, missing, renamed, doubled or nested."""
    for _ in range(draw(st.integers(1, 3))):
        tree = _wronged(draw, tree)
    return tree


def _wronged(draw: st.DrawFn, value: Any) -> Any:
    deeper = isinstance(value, dict | list) and bool(value) and draw(st.integers(0, 5)) > 0
    if not deeper:
        return draw(st.one_of(ODD, st.just([value]), st.just({"a": value})))
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        return _changed_list(draw, value, place)
    key = draw(st.sampled_from(sorted(value, key=str)))
    match draw(st.integers(0, 6)):
        case 0:
            return {k: v for k, v in value.items() if k != key}
        case 1:
            return {(draw(st.text(max_size=5)) if k == key else k): v for k, v in value.items()}
        case 2:
            return {**value, draw(st.text(max_size=5)): draw(ODD)}
        case _:
            return {**value, key: _wronged(draw, value[key])}


def _changed_list(draw: st.DrawFn, value: list[Any], place: int) -> list[Any]:
    match draw(st.integers(0, 5)):
        case 0:
            return value[:place] + value[place + 1 :]
        case 1:
            return [*value[:place], value[place], *value[place:]]
        case _:
            return [*value[:place], _wronged(draw, value[place]), *value[place + 1 :]]


# ── forged studies ──

Place = tuple[str, str, str]  # table, column, the key of its row
KEYS = {"study": "key", "runs": "id", "arrays": "name"}


def forgeries(folder: Path) -> st.SearchStrategy[tuple[Place, Any]]:
    """A cell of a study that holds JSON, and something else that it might hold."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        found = {("study", "value", key): value for key, value in connection.execute("SELECT key, value FROM study")}
        for column in ("config", "info"):
            found |= {("runs", column, i): text for i, text in connection.execute(f"SELECT id, {column} FROM runs")}
        found |= {("arrays", "meta", name): text for name, text in connection.execute("SELECT name, meta FROM arrays")}
    cells = {place: json.loads(text) for place, text in found.items()}
    return st.one_of(*(st.tuples(st.just(place), st.one_of(wronged(value), ODD)) for place, value in cells.items()))


def put(folder: Path, place: Place, value: Any) -> None:
    """Write JSON into a cell, whatever it is."""
    table, column, key = place
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"UPDATE {table} SET {column}=? WHERE {KEYS[table]}=?", (json.dumps(value), key))
