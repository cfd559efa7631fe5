"""The note and the report on two models: every word from the study, what it lacks left out and said."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "analysis")]

from pair_study import LABELS
from pair_study import make as made_up
from papers import lines
from typer.testing import CliRunner

from passo.analysis import Interval
from passo.cli.app import app
from passo.errors import ConfigError, StoreError
from passo.figures import PAIR_FIGURES
from passo.figures.choices import CHOICE_FIGURES
from passo.notes import composer, text, write
from passo.notes.byline import byline, day, ended
from passo.notes.content import Byline, Note, Prose
from passo.notes.pair_colophon import command
from passo.notes.pair_results import _signed, results
from passo.notes.pdf import paper, pdf
from passo.notes.placing import MARK
from passo.notes.printed import LEAST
from passo.notes.references import REFERENCES
from passo.notes.subjects import Words, subject
from passo.store import StoredStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return made_up(tmp_path_factory.mktemp("pair") / "study")


WORDS: dict[Path, Words] = {}  # by study: its analyses are made once


def worded(study: StoredStudy, *, short: bool, without: frozenset[str] = frozenset()) -> Note:
    """A note with all its words, tables and sources, and the same small figure in every place."""
    about = subject(study)
    if study.folder not in WORDS:
        WORDS[study.folder] = about.words(study)
    words = WORDS[study.folder]
    sources = [(path.name, path.read_text(encoding="utf-8")) for path in about.sources(short, "en")]
    found: Callable[..., Note] = text.compose
    return found(
        sources, words.vocabulary, draw=lines, tables=words.tables, cited=words.cited, notice=words.notice,
        colophon=words.colophon, without=without,
    )  # fmt: skip


def prose(note: Note) -> str:
    return " ".join(block.markdown for block in note.blocks() if isinstance(block, Prose))


@pytest.mark.parametrize("short", [True, False], ids=["report", "note"])
def test_what_the_study_lacks_is_left_out_and_told_with_its_reason(study: StoredStudy, short: bool) -> None:
    note = worded(study, short=short)
    lacking = {passage.name: passage.why for passage in note.left_out}
    assert "no run that measured perturbed images" in lacking["robustness"]
    assert "kept nothing of" in lacking["where the networks look"]
    kept = {passage.name for passage in note.passages}
    assert {"accuracy over the number of images", "rare classes", "exploration", "fewer classes"} <= kept


@pytest.mark.parametrize("short", [True, False], ids=["report", "note"])
def test_nothing_of_the_templates_is_left_in_the_words(study: StoredStudy, short: bool) -> None:
    words = prose(worded(study, short=short))
    assert not re.search(r"\{\{|\{%|%\}|[\x02\x03]|None|\bnan\b|Undefined|<passo", words)
    assert "  " not in words.replace("\n", "")


def test_models_have_their_names_and_articles_in_the_sentences(study: StoredStudy) -> None:
    words = prose(worded(study, short=True))
    assert "The CNN needs about 4" in words and "than the MLP for the same accuracy" in words
    assert not re.search(r"(?<![\w-])(mlp|cnn)(?![\w-])", words)


def test_every_figure_of_two_models_is_placed_in_the_long_note() -> None:
    whole = " ".join(path.read_text(encoding="utf-8") for path in text.files("nn-vs-cnn"))
    placed = re.findall(r'figure\("([\w-]+)"', whole)
    assert sorted([*placed, *CHOICE_FIGURES]) == sorted(PAIR_FIGURES)


@pytest.mark.parametrize("name", ["nn-vs-cnn", "nn-vs-cnn-report"])
def test_every_passage_has_a_name_of_its_own_and_everything_cited_is_known(name: str) -> None:
    whole = " ".join(path.read_text(encoding="utf-8") for path in text.files(name))
    passages = re.findall(r'call passage\("([^"]+)"', whole)
    assert len(passages) == len(set(passages)) >= 10
    assert {key for keys in re.findall(r"cite\(([^*)]+)\)", whole) for key in re.findall(r'"(\w+)"', keys)} <= set(
        REFERENCES
    )


def test_a_report_may_lose_any_of_its_passages(study: StoredStudy) -> None:
    for passage in worded(study, short=True).passages:
        without = worded(study, short=True, without=frozenset({passage.name}))
        assert passage.name in {gone.name for gone in without.left_out}


def test_labels_that_look_like_markup_are_printed(tmp_path: Path) -> None:
    odd = made_up(tmp_path / "odd", parts=("small", "sizes"), labels=("#panic(1)", "a_b*c*"), seeds=2)
    note = worded(odd, short=True)
    made = paper(note)
    assert '"#panic(1)' in made.files["note.typ"].decode() and "a_b*c*" in made.files["note.typ"].decode()
    assert pdf(made)


def test_the_quick_form_says_so(tmp_path: Path) -> None:
    quick = worded(made_up(tmp_path / "quick", quick=True, parts=("sizes",)), short=True)
    assert quick.notice.startswith("Quick form: two seeds, fewer runs and shorter trainings; intervals are wide.")


def test_one_seed_has_no_interval_and_no_told_difference(tmp_path: Path) -> None:
    alone = made_up(tmp_path / "one", seeds=1, parts=("sizes", "imbalance"))
    table = results(alone)
    assert "one seed" in table.caption and not any("±" in cell for row in table.rows for cell in row)
    assert prose(worded(alone, short=True))


def test_the_table_of_results_holds_means_of_the_runs(study: StoredStudy) -> None:
    rows = {row[0]: row[1:] for row in results(study).rows}
    accuracies = [
        [float(run.metric("test/accuracy").values[-1]) for run in study.select(f"base-{label}")] for label in LABELS
    ]
    first, second = (100 * np.mean(values) for values in accuracies)
    found = [cell.split(" ±")[0] for cell in rows["300 per class"]]
    assert found == [f"{first:.1f}", f"{second:.1f}", f"+{second - first:.1f}"]


# ── Who wrote it ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_byline_is_what_was_asked_for_then_what_the_study_file_says_then_the_day(study: StoredStudy) -> None:
    assert byline(study) == Byline(date=day(ended(study)))
    study.config["note"] = {"authors": ["Ana", "Rui"], "course": "Networks", "date": "May"}
    try:
        assert byline(study) == Byline(("Ana", "Rui"), "Networks", "May")
        assert byline(study, Byline(("Eva",), date="June")) == Byline(("Eva",), "Networks", "June")
    finally:
        del study.config["note"]


def test_the_command_says_a_file_of_ones_own_where_no_study_is_shipped_so(study: StoredStudy) -> None:
    assert command(study) == "passo note YOUR-STUDY.toml"


# ── Written ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Two parts of the study, so that few figures are drawn."""
    return made_up(tmp_path_factory.mktemp("light") / "study", parts=("small", "sizes"), seeds=2)


def test_a_report_keeps_to_its_pages_and_its_figures_are_legible(light: StoredStudy, tmp_path: Path) -> None:
    written = write(light, tmp_path / "note", formats=("pdf",), pages=2, byline=Byline(("Ana Lima",)))
    content = written.pdf.read_bytes()
    assert {path.name for path in (tmp_path / "note").iterdir()} == {"report.pdf", MARK}
    assert written.pages == len(re.findall(rb"/Type ?/Page\b", content)) <= 2
    assert "robustness" in {passage.name for passage in written.left_out}
    assert b"Ana Lima" in content
    made = paper(composer(light, short=True)())
    assert made.figures and all(figure.smallest >= LEAST - 0.01 for figure in made.figures.values())


def test_pages_without_a_pdf_and_formats_that_are_not_there_are_refused(light: StoredStudy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--pages 2 is for a PDF: give --format pdf"):
        write(light, tmp_path / "note", pages=2)
    with pytest.raises(ConfigError, match="no format 'doc': give some of html, pdf"):
        write(light, tmp_path / "note", formats=("doc",))
    assert not (tmp_path / "note").exists()


def test_a_report_of_so_many_pages_is_of_two_models_and_says_so(made_up: StoredStudy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="studies of two models: leave --pages out"):
        write(made_up, tmp_path / "note", formats=("pdf",), pages=2)


@pytest.mark.slow
def test_the_whole_study_gives_a_page_and_a_report(study: StoredStudy, tmp_path: Path) -> None:
    written = write(study, tmp_path / "note", formats=("html", "pdf"), pages=2)
    page = written.html.read_text(encoding="utf-8")
    assert len(page.encode()) < 6_000_000 and written.pages <= 2
    assert 'id="figure-exploration"' in page and "Not in this study: robustness" in page
    assert all(path.is_file() for path in (*written.figures, *written.files.values()))


def test_a_study_in_which_nothing_is_done_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        write(made_up(tmp_path / "none", parts=()), tmp_path / "note")


def test_the_command_says_where_the_report_is_and_what_it_leaves_out(light: StoredStudy, tmp_path: Path) -> None:
    out = tmp_path / "hand-in"
    words = ["note", str(light.folder), "--format", "pdf", "--pages", "2", "--author", "Ana Lima", "--out", str(out)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert f"PDF:  {out / 'report.pdf'}" in told.output and "left out: robustness: " in told.output
    assert b"Ana Lima" in (out / "report.pdf").read_bytes()


@pytest.mark.parametrize("mean, told", [(-0.0002, "0.0 ± 1.0"), (-0.012, "−1.2 ± 1.0"), (0.012, "+1.2 ± 1.0")])
def test_a_difference_that_rounds_to_zero_has_no_sign(mean: float, told: str) -> None:
    assert _signed(Interval(mean, mean - 0.01, mean + 0.01, 3)) == told
