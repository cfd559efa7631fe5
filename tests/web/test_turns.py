"""Pages that wait for the process that computes have turns of their own: the others need not wait for them."""

import threading
from pathlib import Path

import pytest
from asking import Asking

from passo.web.laboratory import AT_A_TIME


class Slow:
    """A worker that answers when it is let."""

    def __init__(self, worker) -> None:
        self.worker, self.let, self.waiting = worker, threading.Event(), threading.Semaphore(0)

    def ask(self, do: str, **given):
        found = self.worker.ask(do, **given)
        self.waiting.release()
        assert self.let.wait(30)
        return found


def test_pages_that_wait_for_the_worker_hold_up_no_list(root: Path, page: Asking, monkeypatch: pytest.MonkeyPatch):
    slow = Slow(page.lab.worker)
    monkeypatch.setattr(page.lab, "worker", slow)
    found: list[int] = []
    ask = lambda number: found.append(page.get(f"/schedules/curves?epochs={number + 1}").status)  # noqa: E731
    asking = [threading.Thread(target=ask, args=(number,)) for number in range(AT_A_TIME + 3)]
    for one in asking:
        one.start()
    try:
        for _ in range(AT_A_TIME):
            assert slow.waiting.acquire(timeout=30)
        assert [page.get(place).status for place in ("/", "/runs", "/study/first", "/averages", "/jobs")] == [200] * 5
        assert found == []
    finally:
        slow.let.set()
        for one in asking:
            one.join(30)
    assert found == [200] * (AT_A_TIME + 3)


def test_a_page_that_needs_the_worker_asks_it_once(page: Asking, monkeypatch: pytest.MonkeyPatch):
    slow = Slow(page.lab.worker)
    slow.let.set()
    monkeypatch.setattr(page.lab, "worker", slow)
    assert page.get("/schedules/curves").status == 200
    assert slow.waiting.acquire(blocking=False) and not slow.waiting.acquire(blocking=False)
