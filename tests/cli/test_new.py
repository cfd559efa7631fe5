"""`passo new assignment`, a text of one's own and `passo export STUDY`: what a user types, on real runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from passo.cli.app import app
from passo.cli.handing_in import _python, toml
from passo.experiments import read_study, study
from passo.language import LANGUAGES, speaking
from passo.notes import own
from passo.notes.content import Byline
from passo.store import open_study

FILE = """
name = "two-rates"
title = "Two rates"
description = "SGD at two learning rates"
seeds = [0, 1]
[base]
dataset = { name = "fashion-mnist-sample", per_class = 8, validation = 0.25 }
model = { name = "mlp", hidden = [8] }
optimizer = "sgd"
epochs = 2
[grid]
"optimizer.lr" = [0.01, 0.1]
"""
GIVEN = ("--author", "Ana Lima", "--author", "Rui Sá", "--course", "Redes", "--repository", "https://example.org/x")


def passo(*words: str, said: str = "", code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), input=said)
    assert done.exit_code == code, (done.output, done.exception)
    return done.output + str(done.exception or "")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    (folder / "two-rates.toml").write_text(FILE)
    study(folder / "two-rates.toml").run(folder / "two-rates", executor="here")
    return folder / "two-rates"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["nn-vs-cnn", "dropout"])
def test_an_assignment_is_a_study_that_runs_a_text_and_a_checklist(tmp_path: Path, language: str, name: str) -> None:
    folder = tmp_path / "work"
    passo("new", "assignment", str(folder), *GIVEN, "--dataset", "mnist", "--study", name, "--lang", language)
    file = read_study(folder / "study.toml")
    assert (
        file.name,
        file.base["dataset"]["name"] if isinstance(file.base["dataset"], dict) else file.base["dataset"],
    ) == (
        "assignment",
        "mnist",
    )
    assert file.note is not None and file.note.authors == ("Ana Lima", "Rui Sá") and file.quick
    assert read_study(folder / "study.toml", quick=True).count < file.count
    assert tomllib.loads((folder / "text" / "note.toml").read_text(encoding="utf-8"))["language"] == language
    listed, page = ((folder / one).read_text(encoding="utf-8") for one in ("CHECKLIST.md", "README.md"))
    assert listed.count("- [ ]") > 15 and ("t-SNE" in listed) == (name == "nn-vs-cnn")
    assert "Ana Lima, Rui Sá" in page and "{{ result(best) }}" in page and "{%" not in page + listed
    assert ("Executar" if language == "pt-BR" else "Run it") in page


def test_what_no_option_gives_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    passo(
        "new", "assignment", str(folder), "--study", "width", said="Ana Lima, Rui Sá\nRedes\n\nfashion-mnist-sample\n"
    )
    file = read_study(folder / "study.toml")
    assert file.note is not None and (file.note.authors, file.note.course) == (("Ana Lima", "Rui Sá"), "Redes")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--dataset", "minst"), "Did you mean 'mnist'"),
        (("--dataset", "mnist", "--study", "drop"), "Did you mean 'dropout'"),
        (("--dataset", "mnist", "--lang", "fr"), "does not speak 'fr'"),
    ],
)
def test_a_wrong_assignment_leaves_nothing_behind(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    assert told in passo("new", "assignment", str(tmp_path / "work"), *GIVEN, *words, code=1)
    assert not (tmp_path / "work").exists()


def test_a_folder_in_use_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert "is in use" in passo("new", "assignment", str(tmp_path), code=1)


def test_a_text_of_ones_own_is_built_and_its_typed_numbers_told(ran: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    (text / own.SETTINGS).write_text(own.settings(open_study(ran), text, "en", Byline(("Ana Lima",))))
    (text / own.HELP).touch()  # else it is made, with every figure that the study has
    (text / "00-title.md").write_text("# Rates\n\nTwo of them.\n")
    (text / "10-method.md").write_text("# Method\n\nIt took 7.5 hours, and {{ seeds }} seeds.\n")
    told = passo("note", str(text), "--course", "Redes")
    assert "10-method.md, line 3: the number 7.5 is typed" in told
    (text / "10-method.md").write_text("# Method\n\nIt took 7.5 hours, and {{ sedes }} seeds.\n")
    wrong = passo("note", str(text), code=1)
    assert "unknown value 'sedes'" in wrong and "is typed" not in wrong
    (text / "10-method.md").write_text("# Method\n\nIt took 7.5 hours, and {{ seeds }} seeds.\n")
    page = (text / "note" / "note.md").read_text(encoding="utf-8")
    assert "Ana Lima" in page and "Redes" in page and "7.5 hours, and 2 seeds" in page
    assert "say which study" in passo("note", "new", code=1)
    assert "is in use" in passo("note", "new", str(ran), "--out", str(text), code=1)


@pytest.mark.slow
def test_the_first_command_writes_a_text_that_the_second_builds(ran: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    assert "VALUES.md" in passo("note", "new", str(ran), "--out", str(text), "--lang", "pt")
    passo("note", str(text))
    assert "Resultados" in (text / "note" / "note.md").read_text(encoding="utf-8")


def test_a_study_becomes_a_repository_whose_programs_train_the_same_again(ran: Path, tmp_path: Path) -> None:
    out = tmp_path / "repository"
    passo("export", str(ran), "--out", str(out), "--author", "Ana Lima")
    names = {path.name for path in out.iterdir()}
    assert names >= {
        "README.md",
        "note.pdf",
        "note.html",
        "figures",
        "src",
        "study.toml",
        "requirements.txt",
        ".gitignore",
    }
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "Ana Lima" in page and "### `sgd`" in page and "### `mlp`" in page and "python src/lr_0_01.py 0" in page
    assert {path.suffix for path in (out / "figures").iterdir()} == {".png", ".svg"}
    assert read_study(out / "study.toml").count == 4
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PASSO_OFFLINE": "1"}
    again = [sys.executable, "src/lr_0_1.py", "1"]
    done = subprocess.run(again, cwd=out, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (trained,) = open_study(out / "runs" / "lr_0_1-s1").select()
    assert trained.last("test/loss") == pytest.approx(open_study(ran).run("lr=0.1-s1").last("test/loss"), rel=1e-5)
    assert "is in use" in passo("export", str(ran), "--out", str(out), code=1)


def test_a_repository_and_another_format_are_two_calls(ran: Path, tmp_path: Path) -> None:
    words = ("export", str(ran), "--out", str(tmp_path / "a"), "--metrics", str(tmp_path / "m.csv"))
    assert "leave the other formats" in passo(*words, code=1)
    assert list(tmp_path.iterdir()) == []


def test_every_implementation_of_the_catalogue_has_an_explanation_in_both_languages() -> None:
    from passo.cli import implementations
    from passo.models.catalogue import MODELS
    from passo.optim.catalogue import CLASSES

    for language in LANGUAGES:
        with speaking(language):
            assert all(implementations.optimizer(name)[0] for name in CLASSES)
            assert all(implementations.model(name) for name in MODELS)
            assert all(implementations.schedule(name) for name in implementations.SCHEDULES)


def test_a_study_s_file_survives_being_written_again(ran: Path) -> None:
    config = open_study(ran).config
    assert tomllib.loads(toml(config)) == config


def test_a_study_s_file_holds_what_json_does_not() -> None:
    config = {"name": "a", "grid": {"clip \U0001f600": [float("inf"), -float("inf"), 1e-05], "x": "\x7f\u2028"}}
    assert tomllib.loads(toml(config)) == config
    assert eval(_python({"clip": [float("inf"), 0.5], "x": 'a"\\'})) == {"clip": [float("inf"), 0.5], "x": 'a"\\'}


def test_authors_of_a_repository_are_printed_as_they_stand(ran: Path, tmp_path: Path) -> None:
    passo(
        "export", str(ran), "--out", str(tmp_path / "a"), "--author", "*Ana* <b>", "--repository", "https://x.org/a_b"
    )
    line = (tmp_path / "a" / "README.md").read_text(encoding="utf-8").splitlines()[2]
    assert line.startswith(r"\*Ana\* \<b\> · ") and line.endswith(" · <https://x.org/a_b>")
