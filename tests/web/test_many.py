"""Many at a time: fifty who watch, ten thousand runs, pages asked for from all sides."""

import http.client
import json
import random
import threading
from pathlib import Path

import numpy as np
import pytest
from asking import Asking, a_study
from test_bad_studies import growing, rows, until

from passo.store import Store, grown, open_run
from passo.store.scalars import one_series
from passo.web.series import extremes
from passo.web.server import bound


def test_all_who_begin_to_watch_at_once_hear_of_the_study(page: Asking):
    """The first of them looks; the others wait for what it sees."""
    heard: list[list[str]] = []

    def listen() -> None:
        stream = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
        stream.request("GET", "/study/growing/live", headers={"cookie": page.cookie})
        answer = stream.getresponse()
        states = []
        while line := answer.readline().decode():
            if line.startswith("data: {") and len(line) > 12:
                states.append(json.loads(line[6:])["status"])
        heard.append(states)
        stream.close()

    with growing(page.lab.root) as grow:
        listeners = [threading.Thread(target=listen) for _ in range(50)]
        for one in listeners:
            one.start()
        grow()
    for one in listeners:
        one.join(30)
    assert len(heard) == 50
    assert {(states[0], states[-1]) for states in heard} <= {("running", "done"), ("done", "done")}
    assert page.get("/").status == 200


def test_pages_asked_for_from_all_sides_while_a_run_grows_are_all_answered(page: Asking):
    paths = ["/", "/runs", "/study/growing", "/study/growing/run/adam-s0", "/averages", "/study/first/run/sgd-s0"]
    paths += ["/study/growing/run/adam-s0/series?metric=train/loss", "/runs?sort=-test/accuracy&q=adam"]
    wrong: list[str] = []

    def ask(seed: int) -> None:
        for path in random.Random(seed).sample(paths, len(paths)):
            answer = page.get(path)
            if answer.status != 200:
                wrong.append(f"{answer.status} {path}")

    with growing(page.lab.root) as grow:
        askers = [threading.Thread(target=ask, args=(seed,)) for seed in range(12)]
        for one in askers:
            one.start()
        while any(one.is_alive() for one in askers):
            grow()
        for one in askers:
            one.join()
    assert wrong == []


def test_a_list_of_very_many_runs_is_found_sorted_and_cut(page: Asking):
    with Store.create(page.lab.root / "many", name="many", config={}) as study:
        for number in range(1000):
            run = study.add_run(f"r{number:04d}", config={}, seed=0)
            run.scalars(1, 1.0, {"test/accuracy": (number * 7919 % 1000) / 1000})
            run.finish()
    first = page.get("/study/many?sort=-test/accuracy").text
    best = sorted(range(1000), key=lambda number: -(number * 7919 % 1000))
    shown = [part.partition('"')[0] for part in first.split('<tr data-run="')[1:]]
    assert shown == [f"r{number:04d}-s0" for number in best[:100]]
    last = page.get("/study/many?sort=-test/accuracy&page=10").text
    assert [part.partition('"')[0] for part in last.split('<tr data-run="')[1:]][-1] == f"r{best[-1]:04d}-s0"
    assert page.get("/runs?q=r07+many&status=done").text.count("<tr data-run=") == 100
    assert page.get("/runs?q=r07+first").text.count("<tr data-run=") == 0
    assert page.get("/runs?status=failed").text.count("<tr data-run=") == 0


def test_what_is_listed_is_what_is_there_after_every_change(page: Asking):
    for metric in (0.5, 0.25):
        with Store.create(page.lab.root / "anew", name="anew", config={}, force=True) as study:
            run = study.add_run("adam", config={}, seed=0)
            run.scalars(1, 1.0, {"test/accuracy": metric})
            run.finish()
        assert f">{metric:.4g}<" in page.get("/study/anew").text
    until(lambda: "anew" in rows(page.get("/").text))


# ── Curves that grow ──────────────────────────────────────────────────────────────────────────────────────


def test_a_curve_that_grew_is_the_one_that_is_read_whole(tmp_path: Path):
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        run = study.add_run("adam", config={})
        known = None
        for step in range(1, 60):
            run.scalars(step, step / 10, {"a": float("nan") if step % 7 == 0 else 1 / step, "b": 1.0})
            if step % 9 == 0 or step % 7 == 0:
                run.flush()
                whole = one_series(study.folder, "adam", "a")
                assert whole is not None
                known = whole if known is None else grown(known, study.folder, "adam")
                assert known is not None
                for one, other in zip(
                    (known.steps, known.epochs, known.values), (whole.steps, whole.epochs, whole.values), strict=True
                ):
                    assert np.array_equal(one, other, equal_nan=True)
        run.finish()
    assert known is not None and grown(known, tmp_path / "s", "nobody") is None


def test_a_curve_that_was_begun_anew_is_read_whole(tmp_path: Path):
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        known = None
        for values in ([1.0, 2.0, 3.0], [5.0, 6.0, 7.0, 8.0], [9.0]):
            run = study.add_run("adam", config={})
            for step, value in enumerate(values, start=1):
                run.scalars(step, 1.0, {"a": value})
            run.flush()
            known = one_series(study.folder, "adam", "a") if known is None else grown(known, study.folder, "adam")
            assert known is not None and known.values.tolist() == values
            study.drop("adam")


def test_one_run_is_read_as_from_the_whole_study(page: Asking):
    from passo.store import open_study

    folder = page.lab.root / "first"
    assert open_run(folder, "sgd-s0") == open_study(folder).run("sgd-s0")
    assert open_run(folder, "nobody") is None


@pytest.mark.parametrize("seed", range(20))
def test_every_extreme_of_a_curve_is_among_its_points(seed: int):
    drawn = np.random.default_rng(seed)
    n, most = int(drawn.integers(1, 9000)), int(drawn.integers(8, 400))
    y = drawn.standard_cauchy(n)
    y[drawn.random(n) < drawn.choice([0, 0.1, 1])] = np.nan
    x, kept = extremes(np.arange(n), y, most)
    assert len(x) <= max(most, 4) and np.all(np.diff(x) > 0) and np.array_equal(kept, y[x], equal_nan=True)
    assert x[0] == 0 and x[-1] == n - 1
    if np.isfinite(y).any():
        assert np.nanmin(kept) == np.nanmin(y) and np.nanmax(kept) == np.nanmax(y)


def test_answers_are_sent_without_waiting_for_more():
    """asyncio sets TCP_NODELAY on sockets whose protocol is named; without, a kept connection waits 40 ms a page."""
    import socket

    found = bound("127.0.0.1", 20000)
    assert found.proto == socket.IPPROTO_TCP
    found.close()


def test_a_study_of_its_own_is_not_read_again_while_it_stays_the_same(page: Asking, monkeypatch):
    from passo.web import shelf

    a_study(page.lab.root, "second")
    page.get("/runs")
    read: list[str] = []
    outline = shelf.outline
    monkeypatch.setattr(shelf, "outline", lambda folder: read.append(folder.name) or outline(folder))
    for path in ("/", "/runs", "/runs?sort=-test/accuracy", "/study/first"):
        page.get(path)
    assert read == []
    (page.lab.root / "second" / "study.sqlite").touch()
    page.get("/")
    assert read == ["second"]
