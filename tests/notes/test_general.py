"""The note on any study: its words come from the data, in both languages; shipped studies have a text of their own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import any_study

from passo.errors import StoreError, UnknownName
from passo.language import LANGUAGES, speaking
from passo.notes import make
from passo.notes.content import Note, Prose, Table
from passo.notes.general import _shipped_words, results
from passo.notes.subjects import any_figures, subject
from passo.notes.text import TEXTS
from passo.notes.unfinished import command
from passo.store import StoredStudy

STUDIES = sorted(path.stem for path in (Path(TEXTS).parents[1] / "studies").glob("*.toml"))


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return any_study.study(tmp_path_factory.mktemp("apart") / "mine")


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return any_study.study(tmp_path_factory.mktemp("alike") / "mine", better=0.0)


@pytest.fixture(scope="module")
def notes(apart: StoredStudy) -> dict[str, Note]:
    return {language: make(apart, lang=language) for language in LANGUAGES}


def prose(note: Note) -> str:
    return " ".join(block.markdown for block in note.blocks() if isinstance(block, Prose))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_study_with_a_made_up_name_has_a_note(notes: dict[str, Note], language: str) -> None:
    note = notes[language]
    assert note.title == "My rates" and note.subtitle.startswith("Two optimizers")
    assert {"ranked", "rates", "curves"} <= {block.figure.name for block in note.figures()}
    assert note.left_out == () and dict(note.colophon)
    assert len([block for block in note.blocks() if isinstance(block, Table)]) >= 2


def test_both_languages_have_the_same_sections_and_figures(notes: dict[str, Note]) -> None:
    one, other = notes.values()
    assert [section.id for section in one.sections] == [section.id for section in other.sections]
    assert [block.figure.name for block in one.figures()] == [block.figure.name for block in other.figures()]
    assert prose(one) != prose(other) and "sementes" in prose(other) and "seeds" not in prose(other)


def test_the_words_turn_where_the_data_do(apart: StoredStudy, alike: StoredStudy, notes: dict[str, Note]) -> None:
    first, second = any_study.BEST, "sgd,lr=0.01"
    assert "ends with a higher test accuracy than" in results(apart).compare(first, second)
    assert "ends with a lower test accuracy than" in results(apart).compare(second, first)
    assert "cannot be told apart in test accuracy" in results(alike).compare(first, second)
    with speaking("pt-BR"):
        assert "mais alta que" in results(apart).compare(first, second)
    assert f"`{first}` can be told from" in prose(notes["en"])
    assert "None of the others can be told" in prose(make(alike))


def test_a_stored_number_that_changes_changes_values_and_captions(apart: StoredStudy, alike: StoredStudy) -> None:
    assert results(apart).result(any_study.BEST) != results(alike).result(any_study.BEST)
    drawn = [any_figures(one)["ranked"](one) for one in (apart, alike)]
    assert drawn[0].sentence != drawn[1].sentence


def test_one_seed_is_told_as_one_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_study, "SEEDS", (0,))
    words = prose(make(any_study.study(tmp_path / "mine")))
    assert "from a single seed" in words and "interval over seeds" not in words


def test_a_study_that_has_not_finished_says_what_is_missing_and_what_finishes_it(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with pytest.raises(StoreError, match=r"6 of 18 runs are done \(33 %\); 12 were not begun.*passo study run") as told:
        make(any_study.study(folder, finished=False))
    assert str(told.value).endswith(f"passo study run mine.toml --out {folder}")


def test_the_command_that_finishes_a_study_is_one_for_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my rates; ls"
    with pytest.raises(StoreError) as told:
        make(any_study.study(folder, name="my rates; ls", finished=False))
    words = shlex.split(str(told.value).partition("goes on with it: ")[2])
    assert words == ["passo", "study", "run", "my rates; ls.toml", "--out", str(folder)]


def test_the_command_of_a_shipped_study_names_what_was_changed_of_it(tmp_path: Path) -> None:
    base = {"dataset": {"name": "fashion-mnist-sample", "per_class": 9}, "epochs": 30, "batch_size": 64}
    base |= {"model": {"name": "mlp", "hidden": [256, 128]}, "optimizer": {"name": "adam", "lr": 0.001}}
    made = any_study.study(tmp_path / "dropout", name="dropout", base=base, seeds=[0, 1])
    assert command(made) == "passo study run dropout --set 'seeds=[0,1]' --set dataset.per_class=9"
    assert command(made, seeds=10) == "passo study run dropout --set seeds=10 --set dataset.per_class=9"


def test_a_report_of_so_many_pages_is_refused_with_what_there_is(apart: StoredStudy, tmp_path: Path) -> None:
    from passo.errors import ConfigError
    from passo.notes import write

    with pytest.raises(ConfigError, match="leave --pages out"):
        write(apart, tmp_path / "out", formats=("pdf",), pages=2)


def test_an_unknown_result_or_metric_is_answered_with_the_list(apart: StoredStudy) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'test/accuracy'"):
        results(apart).result(any_study.BEST, "test/acuracy")
    with pytest.raises(UnknownName, match=r"unknown configuration 'adm'.*adam,lr=0.01"):
        results(apart).result("adm")


@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_has_the_same_text_in_both_languages(name: str) -> None:
    if name in ("optimizers", "nn-vs-cnn"):
        pytest.skip("their texts have tests of their own")
    files = [sorted(path.name for path in (TEXTS / language / name).glob("*.md")) for language in LANGUAGES]
    assert files[0] == files[1] and {"00-title.md", "10-idea.md", "70-practice.md"} <= set(files[0])
    for file in files[0]:
        one, other = ((TEXTS / language / name / file).read_text(encoding="utf-8") for language in LANGUAGES)
        assert one.count("\n\n") == other.count("\n\n"), f"{name}/{file}: a paragraph is missing"
        assert one.count("$$") == other.count("$$") and one.count("{{") == other.count("{{")


def test_a_study_of_ones_own_that_bears_a_shipped_name_gets_no_text_that_is_not_about_it(tmp_path: Path) -> None:
    mine = any_study.study(tmp_path / "mine", name="dropout")
    theirs = any_study.study(
        tmp_path / "theirs", name="dropout", title="Dropout, and the gap between training and validation"
    )
    assert (subject(mine).text, subject(theirs).text) == ("any", "dropout")


def test_a_shipped_study_s_own_text_lies_over_the_general_one(tmp_path: Path) -> None:
    made = any_study.study(tmp_path / "x", name="width", title="A hidden layer of 4 to 1024 units")
    found = {path.name: path.parent.name for path in subject(made).sources(False, "en")}
    assert (found["00-title.md"], found["10-idea.md"], found["20-came-out.md"]) == ("width", "width", "any")
    assert list(found) == sorted(found)


def test_a_study_of_the_package_bears_its_title_in_the_language_of_the_note() -> None:
    english = "A fully connected network and a convolutional one of the same size"
    assert _shipped_words(english) == english and _shipped_words("mine: {lr}") == "mine: {lr}"
    with speaking("pt-BR"):
        assert _shipped_words(english) == "Uma rede totalmente conectada e uma convolucional do mesmo tamanho"
        assert (_shipped_words("mine: {lr}"), _shipped_words("mine")) == ("mine: {lr}", "mine")
