"""What reads a study that is damaged or forged — `runs`, `inspect`, the note — shows it or says why not."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import answering, forgeries, put, tried

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from watched_run import train

from passo import store
from passo.cli import app, runs, show
from passo.cli.inspect import inspect
from passo.errors import PassoError, StoreError

READERS = {
    "runs show": lambda folder: runs.show(run=str(folder)),
    "inspect": lambda folder: show.reads(inspect)(run=str(folder)),
    "inspect a parameter": lambda folder: show.reads(inspect)(run=str(folder), parameter="fc1.weight"),
    "inspect a step": lambda folder: show.reads(inspect)(run=str(folder), parameter="fc1.weight", step=7, index="1,2"),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers") / "little"
    train("Adam", clip=1.0).stored(folder, events=[("watch", 3, "forgotten", {"what": "zero-grad"})])
    return folder


@pytest.mark.parametrize("reader", READERS)
def test_a_forged_study_is_shown_or_refused(watched: Path, tmp_path: Path, reader: str, wanted: int) -> None:
    folder = tmp_path / "s"
    shutil.copytree(watched, folder)
    content = (folder / store.DATABASE).read_bytes()

    def use(change: tuple[tuple[str, str, str], Any]) -> None:
        (folder / store.DATABASE).write_bytes(content)
        put(folder, *change)
        READERS[reader](folder)

    READERS[reader](folder)
    tried(forgeries(folder), use, wanted // 4, str(folder))


@pytest.mark.parametrize("shape", [(0,), (1, 1), (40,), (40, 3, 3, 2), (40, 9, 5, 2, 1)])
@pytest.mark.parametrize("name", ["statistics", "trace", "trace/steps", "trace/lr"])
def test_an_array_of_another_shape_is_told(watched: Path, tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    import hashlib

    folder = tmp_path / "s"
    shutil.copytree(watched, folder)
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        for (path,) in connection.execute("SELECT path FROM arrays WHERE name=?", (name,)).fetchall():
            np.save(folder / path, np.zeros(shape))
            digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
            connection.execute("UPDATE arrays SET sha256=? WHERE path=?", (digest, path))
    for reader in READERS.values():
        with answering():
            try:
                reader(folder)
            except PassoError as error:
                assert "\n" not in str(error)


def test_one_damaged_study_does_not_hide_the_others(
    watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASSO_ROOT", str(tmp_path))
    for name in ("whole", "cut", "forged"):
        shutil.copytree(watched, tmp_path / name)
    database = tmp_path / "cut" / store.DATABASE
    database.write_bytes(database.read_bytes()[:5000])
    put(tmp_path / "forged", ("study", "value", "created"), 1e300)
    runs.list_()
    said = capsys.readouterr().out
    assert "whole" in said and "cut" not in said and "forged" not in said


def test_the_doors_say_it_in_one_line(
    watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(watched, tmp_path / "s")
    put(tmp_path / "s", ("arrays", "meta", "statistics"), {"stages": 3})
    monkeypatch.setattr(sys, "argv", ["passo", "inspect", str(tmp_path / "s")])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == StoreError.exit_code
    said = capsys.readouterr().err
    assert said.startswith("error:") and "cannot be understood: it is damaged" in said and "Traceback" not in said
