"""Questions that take long: they wait in turn, are bounded, and are answered once for all who ask."""

import threading
import time
from collections.abc import Callable

import pytest

from passo.errors import UnknownName, UsageError
from passo.web.errands import KEPT, WAITING, Errands


def test_only_so_many_long_answers_wait(monkeypatch):
    errands, go = Errands(), threading.Event()
    monkeypatch.setattr(errands._worker, "ask", lambda do, **given: go.wait(10) and given["n"])
    for n in range(WAITING):
        assert errands.ask("x", 0, n=n) is None and errands.ask("x", 0, n=n) is None
    with pytest.raises(UsageError, match="ask again"):
        errands.ask("x", 0, n=WAITING)
    assert errands.known("x", 0, n=0) is None
    go.set()
    assert [until(lambda n=n: errands.ask("x", 0, n=n)) for n in range(WAITING)] == list(range(WAITING))
    assert [errands.known("x", 0, n=n) for n in range(WAITING)] == list(range(WAITING))


def test_a_long_answer_that_failed_says_why_and_may_be_asked_for_again(monkeypatch):
    errands, said, go = Errands(), [], threading.Event()

    def ask(do: str, **given: object) -> str:
        said.append(do)
        if len(said) > 1:
            return "there"
        go.wait(10)
        raise UnknownName("no such layer")

    monkeypatch.setattr(errands._worker, "ask", ask)
    assert errands.ask("x", 0) is None
    go.set()
    with pytest.raises(UnknownName, match="no such layer"):
        until(lambda: errands.ask("x", 0))
    assert until(lambda: errands.ask("x", 0)) == "there" and said == ["x", "x"]


def until(asked: Callable[[], object]) -> object:
    """The answer, as soon as there is one."""
    while (found := asked()) is None:
        time.sleep(0.001)
    return found


def test_the_oldest_answers_are_forgotten(monkeypatch):
    errands, asked = Errands(), []
    monkeypatch.setattr(errands._worker, "ask", lambda do, **given: asked.append(given["n"]) or given["n"])
    for n in range(KEPT + 2):
        assert until(lambda n=n: errands.ask("x", 0, n=n)) == n
    assert errands.known("x", 0, n=0) is None and errands.known("x", 0, n=KEPT + 1) == KEPT + 1
    assert asked == list(range(KEPT + 2))
