"""Studies that cannot be read are listed with the reason, in the reader's language, and all others work."""

import json
import logging
import os
import random
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from asking import Asking, a_study

from passo.store import DATABASE, Store

PAGES = ("/", "/runs", "/study/first", "/study/first/run/adam-s0", "/study/first/compare", "/averages")


def changed(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    with connection:
        for sql in statements:
            connection.execute(sql)
    connection.close()


def newer(folder: Path) -> None:
    changed(folder, "UPDATE study SET value = '99' WHERE key = 'schema'")


def cut(folder: Path) -> None:
    whole = (folder / DATABASE).read_bytes()
    (folder / DATABASE).write_bytes(whole[: len(whole) // 2])


def empty(folder: Path) -> None:
    (folder / DATABASE).write_bytes(b"")


def noise(folder: Path) -> None:
    (folder / DATABASE).write_bytes(random.Random(0).randbytes(30_000))


def a_folder(folder: Path) -> None:
    (folder / DATABASE).unlink()
    (folder / DATABASE).mkdir()


def a_pipe(folder: Path) -> None:
    (folder / DATABASE).unlink()
    os.mkfifo(folder / DATABASE)


def not_copied_yet(folder: Path) -> None:
    (folder / DATABASE).unlink()
    (folder / "runs").mkdir()


def nothing_in_it(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def other_facts(folder: Path) -> None:
    changed(folder, "UPDATE study SET value = '7' WHERE key = 'config'")


def without_its_log(folder: Path) -> None:
    """What a copy holds that was made while the study was written, of the one file alone."""
    shutil.rmtree(folder)
    with Store.create(folder.with_name("original"), name="original", config={}) as study:
        study.add_run("adam", config={}, seed=0)
        folder.mkdir()
        shutil.copy(study.folder / DATABASE, folder / DATABASE)
    shutil.rmtree(folder.with_name("original"))


BAD: list[tuple[Callable[[Path], None], str, str]] = [
    (newer, "broken was written with schema 99", "broken foi escrito com o esquema 99"),
    (cut, "it is damaged, or was not copied to its end", "está danificado, ou não foi copiado até o fim"),
    (empty, "broken holds nothing: copy it again", "broken não contém nada: copie-o de novo"),
    (noise, "file is not a database", "o arquivo não é um banco de dados"),
    (a_folder, "it has no study.sqlite", "não tem study.sqlite"),
    (a_pipe, "it has no study.sqlite", "não tem study.sqlite"),
    (not_copied_yet, "it has no study.sqlite", "não tem study.sqlite"),
    (nothing_in_it, "it has no study.sqlite", "não tem study.sqlite"),
    (other_facts, "its fact config is missing or of another kind", "seu fato config falta"),
    (without_its_log, "broken holds nothing: copy it again", "copie-o de novo, inteiro, com study.sqlite-wal"),
]


def rows(text: str) -> dict[str, str]:
    """Of a list of studies: what stands in a row, by its first cell."""
    found = {}
    for row in re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", text, re.S):
        first, _, rest = re.sub(r"[ \t]+", " ", row).partition("</th>")
        found[re.sub(r"<[^>]*>", "", first).lstrip(" ")] = re.sub(r"<[^>]*>", "", rest)
    return found


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No traceback went to the terminal."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.getMessage() for record in caplog.records] == []


def others_work(page: Asking) -> None:
    assert [(path, page.get(path).status) for path in PAGES if page.get(path).status != 200] == []
    series = json.loads(page.get("/study/first/run/adam-s0/series?metric=train/loss").text)
    assert series["curves"]["train/loss"]["n"] == 40
    assert json.loads(page.get("/study/first/compare/figure/curves").text)["spec"]


@pytest.mark.parametrize(("harm", "english", "portuguese"), BAD, ids=[harm.__name__ for harm, *_ in BAD])
def test_a_study_that_cannot_be_read_is_listed_with_the_reason(page: Asking, quiet, harm, english, portuguese):
    harm(a_study(page.lab.root, "broken"))
    listed = rows(page.get("/").text)
    assert english in listed["broken"] and "unreadable" in listed["broken"] and "done" in listed["first"]
    assert portuguese in page.get("/", accept_language="pt-BR").text
    assert english in page.get("/runs").text
    for path in ("", "/run/adam-s0", "/compare", "/run/adam-s0/series?metric=train/loss", "/run/adam-s0/figure/apart"):
        assert page.get(f"/study/broken{path}").status in (404, 500)
    assert json.loads(page.get("/study/first/live").text.split("data: ")[1].split("\n")[0])["status"] == "done"
    others_work(page)


def test_metrics_that_are_damaged_are_left_out_and_all_else_is_told(page: Asking, quiet):
    changed(a_study(page.lab.root, "broken"), "UPDATE metrics SET value = 'x'")
    for path in ("/runs", "/study/broken", "/runs?sort=-test/accuracy"):
        text = page.get(path).text
        assert "stands where it cannot stand" in text and "adam-s0" in text
    assert page.get("/runs").text.count("0.75") == 2
    others_work(page)


def test_an_array_whose_chunks_are_missing_is_told_where_it_is_drawn(page: Asking, quiet):
    with Store.create(page.lab.root / "broken", name="broken", config={}) as study:
        run = study.add_run("adam", config={}, seed=0)
        run.scalars(1, 1.0, {"train/loss": 1.0})
        run.array("test/probabilities", np.full((10, 3), 1 / 3))
        run.array("test/labels", np.zeros(10, int))
        run.finish()
    shutil.rmtree(page.lab.root / "broken" / "runs")
    assert page.get("/study/broken/run/adam-s0").status == 200
    answer = page.ask("GET", "/study/broken/run/adam-s0/figure/confusion", accept="application/json")
    assert answer.status == 500 and "cannot read" in json.loads(answer.text)["error"]
    others_work(page)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Another process has it for itself."""
    other = sqlite3.connect(folder / DATABASE, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("UPDATE runs SET name = name")
    try:
        yield
    finally:
        other.execute("COMMIT")
        other.close()


def test_a_locked_study_is_listed_and_read_again_when_it_is_free(page: Asking, quiet):
    folder = a_study(page.lab.root, "broken")
    with held(folder):
        assert "another process keeps it locked" in rows(page.get("/").text)["broken"]
        assert "outro processo o mantém bloqueado" in page.get("/", accept_language="pt-BR").text
        others_work(page)
    until(lambda: "done" in rows(page.get("/").text)["broken"])


def until(held: Callable[[], bool], most: float = 20.0) -> None:
    """Wait for what must come; no test is timed, only given up."""
    end = time.monotonic() + most
    while not held():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize("what", ["", DATABASE])
def test_what_may_not_be_read_is_listed_with_the_reason(page: Asking, quiet, what: str):
    place = a_study(page.lab.root, "broken") / what
    place.chmod(0)
    try:
        if os.access(place, os.R_OK):
            pytest.skip("nothing is closed to this user")
        listed = rows(page.get("/").text)["broken"]
        assert "permission denied" in listed or "it cannot be opened" in listed
        others_work(page)
    finally:
        place.chmod(0o755)
    until(lambda: "done" in rows(page.get("/").text)["broken"])


def test_links_are_listed_and_not_followed_out_of_the_root(page: Asking, quiet):
    a_study(page.lab.root.parent, "secret")
    (page.lab.root / "out").symlink_to(page.lab.root.parent / "secret")
    (page.lab.root / "elsewhere").symlink_to(page.lab.root.parent)
    (page.lab.root / "circle").symlink_to(page.lab.root / "circle")
    (page.lab.root / "again").symlink_to(page.lab.root / "first")
    listed = rows(page.get("/").text)
    assert "leads out of the folder" in listed["out"] and "done" in listed["again"]
    assert {*listed} == {"first", "again", "out"}
    assert "leva para fora da pasta" in page.get("/", accept_language="pt-BR").text
    others_work(page)


NAMES = ["ü%20 ä", "<script>alert(1)", "a%2fb", "x" * 200, "..b", "q?a=b&c#d", "new\nline", "'\"`", "+ +", "\u202egnp"]


def test_odd_names_lead_to_their_pages(page: Asking, quiet):
    for name in NAMES:
        a_study(page.lab.root, "made").rename(page.lab.root / name)
    listed = page.get("/")
    assert listed.status == 200 and "<script>alert" not in listed.text
    assert len(rows(listed.text)) == len(NAMES) + 1
    for name in NAMES:
        address = f"/study/{quote(name, safe='')}"
        assert f'href="{address}"' in listed.text
        for path in ("", "/run/adam-s0", "/run/adam-s0/series?metric=train/loss", "/compare", "/live"):
            answer = page.get(address + path)
            assert answer.status == 200 and "<script>alert" not in answer.text, name + path


def test_a_name_that_is_no_text_is_listed_as_far_as_it_can_be_written(page: Asking, quiet):
    folder = a_study(page.lab.root, "made")
    try:
        os.rename(os.fsencode(folder), os.fsencode(page.lab.root) + b"/b\xe4d")  # noqa: PTH104  a path has no bytes
    except (OSError, UnicodeError):
        pytest.skip("this disk takes no such name")
    assert "its name is not written in UTF-8" in rows(page.get("/").text)["b\ufffdd"]
    others_work(page)


# ── While it is watched ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def growing(root: Path, name: str = "growing") -> Iterator[Callable[[], None]]:
    """A study that trains; a call records some more of it."""
    study = Store.create(root / name, name=name, config={})
    run = study.add_run("adam", config={}, seed=0)
    steps = iter(range(1, 1_000_000))

    def grow() -> None:
        for _ in range(20):
            step = next(steps)
            run.scalars(step, step / 20, {"train/loss": 1 / step})
        run.flush()

    grow()
    try:
        yield grow
    finally:
        with study:
            run.finish()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted there")
@pytest.mark.parametrize("away", ["deleted", "moved"])
def test_a_study_that_goes_away_while_it_is_watched_is_told_and_the_curves_stay(opened, outside, away: str):
    root = outside.lab.root
    with growing(root) as grow:
        page = opened("/study/growing/run/adam-s0")
        page.wait_for_selector("[data-curves=drawn]")
        grow()
        page.wait_for_selector("[data-last='train/loss']:text-is('0.025')")
        target = root / "growing"
        shutil.rmtree(target) if away == "deleted" else target.rename(root.parent / "moved")
        page.wait_for_selector("#lost:has-text('moved or deleted')")
        assert page.locator("#panels svg.marks").count() == 1
        if away == "deleted":
            target.mkdir()


def test_a_stream_and_series_of_a_study_that_goes_away_end_with_an_answer(page: Asking, quiet):
    seen: list[str] = []
    with growing(page.lab.root) as grow:
        listening = threading.Thread(target=lambda: seen.append(page.get("/study/growing/live").text))
        listening.start()
        grow()
        assert page.get("/study/growing/run/adam-s0/series?metric=train/loss").status == 200
        (page.lab.root / "growing").rename(page.lab.root.parent / "moved")
        listening.join(20)
        assert (
            not listening.is_alive() and '"status": "gone"' in seen[0] and seen[0].endswith("event: end\ndata: {}\n\n")
        )
        for path in ("", "/run/adam-s0", "/run/adam-s0/series?metric=train/loss", "/live"):
            assert page.get(f"/study/growing{path}").status == 404
        others_work(page)


def test_a_run_that_is_begun_anew_while_it_is_watched_is_gone_until_it_is_there(page: Asking, quiet):
    with Store.create(page.lab.root / "growing", name="growing", config={}) as study:
        study.add_run("adam", config={}, seed=0).finish("interrupted")
        assert page.get("/study/growing/run/adam-s0").status == 200
        study.drop("adam-s0")
        assert page.get("/study/growing/run/adam-s0").status == 404
        assert page.get("/study/growing/run/adam-s0/series?metric=train/loss").status == 404
        study.add_run("adam", config={}, seed=0).finish()
        assert page.get("/study/growing/run/adam-s0").status == 200


def test_what_another_process_writes_meanwhile_is_there_at_the_next_look(page: Asking, quiet):
    assert "growing" not in page.get("/").text
    with growing(page.lab.root) as grow:
        assert "running" in rows(page.get("/").text)["growing"]
        for _ in range(3):
            before = json.loads(page.get("/study/growing/run/adam-s0/series?metric=train/loss").text)
            grow()
            after = json.loads(page.get("/study/growing/run/adam-s0/series?metric=train/loss").text)
            assert after["curves"]["train/loss"]["n"] == before["curves"]["train/loss"]["n"] + 20
    assert "done" in rows(page.get("/").text)["growing"]
