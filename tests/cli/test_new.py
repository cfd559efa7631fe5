"""`passo new assignment`, a text of one's own and `passo export STUDY`: what a user types, on real runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from passo.cli.app import app
from passo.cli.handing_in import _installing, _stages, hand_in
from passo.cli.programs import _python, programs, watched
from passo.cli.study_toml import _value, toml
from passo.experiments import read_study, shipped, study
from passo.experiments.studyfile import parse_study
from passo.language import LANGUAGES, speaking
from passo.notes import assignment, own
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


def test_ctrl_c_at_a_question_ends_with_130_and_nobody_to_answer_is_told_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    told = passo("new", "assignment", str(folder), "--course", "Redes", code=1)  # nothing to read
    assert "give the answers by --author, --course, --repository, --dataset" in told
    closed = "import sys; sys.stdin = None; from passo.cli import main; main()"
    words = [sys.executable, "-c", closed, "new", "assignment", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "give the answers by" in done.stderr and "Traceback" not in done.stderr
    monkeypatch.setattr("typer.prompt", interrupted)
    assert "nothing was written" in passo("new", "assignment", str(folder), code=130)
    assert not folder.exists()


def interrupted(*_: object, **__: object) -> None:
    """What `typer.prompt` makes of Ctrl-C."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise typer.Abort from None


def test_an_extra_that_is_missing_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("new", "assignment", str(tmp_path / "work"), *GIVEN, "--dataset", "mnist")
    assert (assignment.extra("nn-vs-cnn"), assignment.extra("dropout")) == ("explain", "notes")
    monkeypatch.setattr(assignment, "_installed", lambda package: package != "captum")
    assert "(captum); this installs it: pip install 'passo[explain]'" in passo(*words)
    assert 'pip install "passo[explain]"' in (tmp_path / "work" / "README.md").read_text(encoding="utf-8")
    assert "captum" not in passo("new", "assignment", str(tmp_path / "other"), *words[3:], "--study", "dropout")


def test_an_assignment_that_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path.write_text

    def second(path: Path, words: str, **more: Any) -> int:
        if path.name == "CHECKLIST.md":
            raise KeyboardInterrupt
        return before(path, words, **more)

    monkeypatch.setattr(Path, "write_text", second)
    with pytest.raises(KeyboardInterrupt):
        assignment.new(tmp_path / "work", "dropout", "mnist", Byline())
    assert list(tmp_path.iterdir()) == []


def test_notebooks_of_a_study_that_is_not_the_package_s_are_refused_before_an_extra_is_asked_for(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nbformat", None)
    told = passo("note", str(ran), "--format", "html,notebook", "--out", str(tmp_path / "note"), code=1)
    assert "leave notebook out of --format" in told and not (tmp_path / "note").exists()


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
    assert "The words of the note are passo's" in page and "all 4 runs of the study" in page
    assert "pip install -e 'PATH-TO-PASSO[all]'" in page and "://" not in page
    assert (out / "requirements.txt").read_text(encoding="utf-8").startswith("# passo is installed first")
    assert not (out / ".passo-note").exists() and not (out / "text").exists()
    assert {path.suffix for path in (out / "figures").iterdir()} == {".png", ".svg"}
    assert read_study(out / "study.toml").count == 4
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PASSO_OFFLINE": "1"}
    again = [sys.executable, "src/lr_0_1.py", "1"]
    done = subprocess.run(again, cwd=out, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (trained,) = open_study(out / "runs" / "lr_0_1-s1").select()
    assert trained.last("test/loss") == pytest.approx(open_study(ran).run("lr=0.1-s1").last("test/loss"), rel=1e-5)
    assert "is in use" in passo("export", str(ran), "--out", str(out), code=1)
    for words, told in ((again, "runs/lr_0_1-s1 is in use"), ([*again[:2], "abc"], "a seed is a whole number")):
        done = subprocess.run(words, cwd=out, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 1 and done.stderr.startswith(told) and done.stderr.count("\n") == 1


def own_text(ran: Path, folder: Path, language: str = "en") -> Path:
    folder.mkdir()
    (folder / own.SETTINGS).write_text(own.settings(open_study(ran), folder, language, Byline(("Rui Sá",), "Redes")))
    (folder / own.HELP).touch()
    (folder / "00-title.md").write_text("# Rates of mine\n\nTwo of them.\n")
    (folder / "10-method.md").write_text("# Method\n\nIt took 7.5 hours, and {{ seeds }} seeds.\n")
    return folder


def test_a_text_of_ones_own_becomes_the_note_of_its_repository(ran: Path, tmp_path: Path) -> None:
    text, out = own_text(ran, tmp_path / "text", "pt-BR"), tmp_path / "repository"
    told = passo("export", str(text), "--out", str(out), "--author", "Ana Lima")
    assert "10-method.md, line 3: the number 7.5 is typed" in told
    note, page = ((out / name).read_text(encoding="utf-8") for name in ("note.md", "README.md"))
    assert note.startswith("# Rates of mine") and "7.5 hours, and 2 seeds" in note and "Ana Lima" in note
    assert page.startswith("# Rates of mine") and "Ana Lima · Redes" in page and "## Como executar" in page
    assert "passo note text" in page and "As palavras da nota são do passo" not in page
    assert (out / "note.pdf").is_file() and not (out / ".passo-note").exists()
    assert {one.name for one in (out / "text").iterdir()} == {"note.toml", "00-title.md", "10-method.md"}
    settings = tomllib.loads((out / "text" / "note.toml").read_text(encoding="utf-8"))
    assert (settings["study"], settings["language"], settings["authors"]) == (
        "../passo-runs/two-rates",
        "pt-BR",
        ["Ana Lima"],
    )


def test_ctrl_c_leaves_neither_a_repository_nor_the_half_of_one(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passo.cli.handing_in.programs", pressed)
    with pytest.raises(KeyboardInterrupt):
        hand_in(open_study(ran), tmp_path / "repository")
    assert list(tmp_path.iterdir()) == []


def pressed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_program_records_what_its_study_recorded_and_the_page_says_how_to_see_it(ran: Path, tmp_path: Path) -> None:
    unwatched = open_study(ran)
    assert watched(unwatched) is None and "record=" not in "".join(programs(unwatched).values())
    (tmp_path / "seen.toml").write_text(FILE.replace("two-rates", "seen") + "[record]\nevery = 2\n")
    study(tmp_path / "seen.toml").run(tmp_path / "seen", executor="here")
    seen = open_study(tmp_path / "seen")
    assert watched(seen) == ("lr_0_01", 0)
    assert all('record={"every": 2}' in one for one in programs(seen).values())
    assert "`passo inspect runs/lr_0_01-s0 --figure stages`" in _stages(seen)
    assert 'add `record={"every": 1}` to a program' in _stages(unwatched)


def test_an_address_of_passo_is_the_one_that_its_package_names(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Message()
    said["Project-URL"] = "Repository, https://example.org/passo"
    monkeypatch.setattr("passo.cli.handing_in.metadata", lambda name: said)
    assert _installing() == "pip install 'passo[all] @ git+https://example.org/passo'"
    monkeypatch.setattr("passo.cli.handing_in.metadata", lambda name: Message())
    assert _installing() == "pip install -e 'PATH-TO-PASSO[all]'"


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


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_study_s_file_is_written_in_tables_and_lines_that_can_be_read(name: str) -> None:
    config = {"name": name, **tomllib.loads(shipped()[name])}
    again = tomllib.loads(toml(config))
    assert again == {key: value for key, value in config.items() if key != "quick"}
    assert parse_study(toml(config), name).configurations == parse_study(json_toml(config), name).configurations
    assert max(map(len, toml(config).splitlines())) < 250


def json_toml(config: dict[str, Any]) -> str:
    """A configuration with every table on one line, in the order that it has."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in config.items() if key != "quick")


def test_what_passo_computed_is_not_in_a_study_s_file() -> None:
    config = {"name": "a", "pair": {"first": "mlp", "second": "cnn", "widths": {"own": {}}}, "left_out": {"b": "c"}}
    assert tomllib.loads(toml(config)) == {"name": "a", "pair": {"first": "mlp", "second": "cnn"}}


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
