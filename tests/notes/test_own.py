"""A note of one's own: begun, built, checked; what is wrong in it is told with its line, and it runs nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import any_study

from passo.errors import ConfigError, FolderInUse, PassoError, StoreError
from passo.language import LANGUAGES
from passo.notes import make, own
from passo.notes.content import Byline
from passo.store import StoredStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return any_study.study(tmp_path_factory.mktemp("own") / "mine")


@pytest.fixture
def folder(study: StoredStudy, tmp_path: Path) -> Path:
    """A text of two short files."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / own.SETTINGS).write_text(own.settings(study, tmp_path / "text", "en", Byline(("Ana",))))
    (tmp_path / "text" / "00-title.md").write_text("# Title\n\nSubtitle.\n")
    return tmp_path / "text"


def built(folder: Path, words: str) -> str:
    (folder / "10-results.md").write_text(f"# Results\n\n{words}\n")
    text = own.read(folder)
    note = make(text.study, lang=text.language, byline=text.byline, own=text.sections)
    return " ".join(getattr(block, "markdown", "") for block in note.blocks())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_text_builds_as_it_is_and_remembers_its_study(study: StoredStudy, tmp_path: Path, language: str) -> None:
    own.new(study, tmp_path / "text", lang=language, byline=Byline(("Ana Lima",)))
    text = own.read(tmp_path / "text")
    assert text.study.folder.resolve() == study.folder.resolve()
    assert (text.language, text.byline.authors, text.typed()) == (language, ("Ana Lima",), [])
    note = make(text.study, lang=language, byline=text.byline, own=text.sections)
    assert {block.figure.name for block in note.figures()} == {"curves"} and note.byline.authors == ("Ana Lima",)
    listed = (tmp_path / "text" / own.HELP).read_text(encoding="utf-8")
    assert (
        '`{{ figure("ranked") }}`' in listed and "`{{ best }}`: sgd,lr=0.1" in listed and "record.predictions" in listed
    )


def test_values_are_those_of_the_study(folder: Path) -> None:
    assert "70.05 %" in built(folder, "{{ result(best) }}") and "epochs: 8" in built(folder, "epochs: {{ epochs }}")


@pytest.mark.parametrize(
    "words, told",
    [
        ("x\n\n{{ acuracy }}", "10-results.md of the note, line 5: unknown value 'acuracy'"),
        ("{{ data.nam }}", "line 3: unknown value 'nam'. Did you mean 'name'"),
        ('{{ figure("curvs") }}', "line 3: unknown figure 'curvs'. Did you mean 'curves'"),
        ('{{ table("rankd") }}', "line 3: unknown table 'rankd'. Did you mean 'ranked'"),
        ('{{ told("rate") }}', "line 3: unknown result 'rate'. Did you mean 'rates'"),
        ('{{ result("sgd,lr=1") }}', "line 3: unknown configuration 'sgd,lr=1'"),
        ('{{ figure("confusion") }}', "line 3: .*kept no predictions"),
        ("{% for %}", "line 3: this cannot be read: “Expected an expression, .*”"),
        ('{{ figure("curves") }} {{ figure("curves") }}', "placed twice"),
        ('{{ setting(best, "optimizer.lrr") }}', "unknown setting of .* Did you mean 'optimizer.lr'"),
        ('{{ setting(best, "nada") }}', "line 3: unknown setting of .* 'nada'"),
        ("{{ 0.5 | percen }}", "line 3: unknown filter 'percen'. Did you mean 'percent'"),
        ("x\n\n{{ see('curvs') }}", "line 5: the text refers to the figure 'curvs', which it does not place"),
        ('{{ equation("one") }}', "line 3: the text refers to the equation 'one', which it does not place"),
        ("so\n$\\fracc{1}{2}$", r"line 4: the equation .* unknown command \\fracc"),
        (
            "see [this](#result)",
            "section 10-results.md of the note, line 3: unknown place 'result'. Did you mean 'results'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_file_its_line_and_the_nearest(folder: Path, words: str, told: str) -> None:
    with pytest.raises(PassoError, match=told):
        built(folder, words)


def test_a_setting_has_a_short_key_and_is_written_with_the_marks_of_the_language(folder: Path) -> None:
    words = '{{ setting(best, "lr") }} {{ setting(best, "optimizer.lr") }} {{ setting(best, "optimizer") }}'
    english = built(folder, words)
    path = folder / own.SETTINGS
    path.write_text(path.read_text().replace('language = "en"', 'language = "pt-BR"'))
    short, whole, name = built(folder, words).split()[-3:]
    assert short == whole and "," in short and short.replace(",", ".") in english and name.isalpha()


@pytest.mark.parametrize(
    "words",
    [
        "{{ seeds.__class__.__mro__ }}",
        "{{ result.__globals__ }}",
        "{{ compare.__func__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{% include '/etc/passwd' %}",
        "{{ data.update({'name': 'x'}) }}",
        "{{ ranked.append(1) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
    ],
)
def test_a_text_runs_and_changes_nothing(folder: Path, words: str) -> None:
    with pytest.raises(PassoError):
        built(folder, words)


def test_no_value_of_a_text_is_an_object_that_reads_or_writes(study: StoredStudy) -> None:
    from passo.notes.subjects import any_words

    plain = (str, int, float, list, dict, bool)
    assert [
        name for name, value in any_words(study).vocabulary.items() if not (callable(value) or isinstance(value, plain))
    ] == []


def test_markup_in_a_text_is_printed_and_not_run(folder: Path) -> None:
    from passo.notes.html import block_html

    built(folder, "<script>alert(1)</script>")
    text = own.read(folder)
    (block,) = make(text.study, own=text.sections).blocks()
    assert "&lt;script&gt;" in block_html(block) and "<script>" not in block_html(block)


def test_typed_numbers_are_told_and_values_code_and_years_are_not() -> None:
    words = (
        "# 3 rates\n\nIt gains 3.5 points since 2015, in {{ epochs }} epochs of `64`, $x^2$.\n\n1. one\n\n87,3 % here."
    )
    assert [(one.line, one.number) for one in own.typed("a.md", words)] == [(3, "3.5"), (7, "87,3 %")]


@pytest.mark.parametrize(
    "name, words, told",
    [
        ("note.toml", 'study = "gone"', "the study of this note is not at"),
        ("note.toml", 'langage = "en"', "unknown key 'langage'. Did you mean 'language'"),
        ("note.toml", "study = ", "note.toml: "),
        ("note.toml", "", "does not say which study"),
        ("00-title.md", "no title", "00-title.md, line 1: a file begins with the title"),
        ("00-title.md", "# Title", "below the note's title stands its subtitle"),
    ],
)
def test_a_folder_that_is_wrong_says_where(folder: Path, name: str, words: str, told: str) -> None:
    (folder / name).write_text(words)
    with pytest.raises((ConfigError, StoreError), match=told):
        own.read(folder)


@pytest.mark.parametrize("words", ["{{ figure('curves') }}", "{# nothing #}"])
def test_a_title_without_a_subtitle_is_told_with_its_file(folder: Path, words: str) -> None:
    (folder / "00-title.md").write_text(f"# Title\n\n{words}\n")
    with pytest.raises(StoreError, match="^section 00-title.md of the note lacks its subtitle"):
        built(folder, "x")


def test_two_files_that_would_be_one_place_are_told(folder: Path) -> None:
    (folder / "20-results.md").write_text("# Again\n\nx\n")
    with pytest.raises(ConfigError, match="10-results.md and 20-results.md would be one place of the note"):
        built(folder, "x")


@pytest.mark.parametrize("name", ["10-charts.md", "10-said.md", "10-runs.md", '10-"><b>.md'])
def test_a_section_takes_no_place_that_the_page_has_already(folder: Path, name: str) -> None:
    from passo.notes.html import page

    (folder / name).write_text("# Section\n\nx\n")
    text = own.read(folder)
    places = re.findall(r'id="([^"]*)"', page(make(text.study, own=text.sections)))
    assert len(places) == len(set(places)) > 5


def test_a_language_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    settings = folder / own.SETTINGS
    settings.write_text(settings.read_text().replace('language = "en"', 'language = "fr"'))
    with pytest.raises(ConfigError, match="does not speak 'fr': give one of en, pt-BR"):
        own.read(folder)


def test_a_folder_in_use_is_left_alone(study: StoredStudy, folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(FolderInUse, match="is in use"):
        own.new(study, folder)
    assert sorted(folder.iterdir()) == before


def test_the_list_of_values_tells_in_portuguese_what_is_not_in_the_study(study: StoredStudy, tmp_path: Path) -> None:
    own.new(study, tmp_path / "text", lang="pt-BR")
    listed = (tmp_path / "text" / own.HELP).read_text(encoding="utf-8")
    assert "Não está neste estudo" in listed and "não guardou previsões: treine-a de novo" in listed
    lacking = [line for line in listed.splitlines() if re.match(r"- `[\w-]+`: ", line)]
    english = re.compile(r"\b(has|the|is|of|needs|kept|it|there)\b")
    told = [re.sub(r"'[^']*'|`[^`]*`|/\S+", "", line) for line in lacking]
    assert len(lacking) > 5 and not [line for line in told if english.search(line)]
