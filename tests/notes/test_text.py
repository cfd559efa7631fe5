from __future__ import annotations

import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest

from passo.analysis.compare import Difference
from passo.errors import ConfigError, StoreError, UnknownName
from passo.figures import FIGURES
from passo.notes import make, text
from passo.notes.content import Code, Equation, FigureBlock, Prose, Table
from passo.notes.text import compose
from passo.notes.values import DEFAULTS, Values

FILES = [path for name in ("optimizers", "nn-vs-cnn", "nn-vs-cnn-report") for path in text.files(name)]


def figure(name) -> Any:
    return SimpleNamespace(name=name, caption="A caption.", sentence="A sentence.")


def composed(body, vocabulary=None, tables=None):
    sources = [("00-title.md", "# Title\n\nA subtitle.\n\nA lead."), ("10-part.md", f"# Part\n\n{body}")]
    return compose(sources, vocabulary or {}, draw=figure, tables=tables or {})


def test_a_title_a_subtitle_a_lead_and_sections_are_read_from_the_files():
    note = composed("Some words.")
    assert (note.title, note.subtitle, note.lead) == ("Title", "A subtitle.", (Prose("A lead."),))
    assert [(s.id, s.title, s.blocks) for s in note.sections] == [("part", "Part", (Prose("Some words."),))]


def test_a_section_is_cut_into_prose_equations_figures_tables_and_code():
    body = '$$\nx = 1\n$$\n\nWords.\n\n{{ figure("a") }}\n\n{{ table("t") }}\n\n```python\nx = 1\n```'
    table = Table(("a",), (("b",),))
    blocks = composed(body, tables={"t": lambda: table}).sections[0].blocks
    assert blocks == (
        Equation("x = 1", 1),
        Prose("Words."),
        FigureBlock(1, figure("a")),
        table,
        Code("python", "x = 1"),
    )


def test_figures_are_numbered_as_they_appear_and_referred_to_before_or_after():
    blocks = composed('See {{ see("b") }}.\n\n{{ figure("a") }}\n\n{{ figure("b") }}').sections[0].blocks
    assert blocks[0] == Prose("See [Figure 2](#figure-b).")
    assert [block.number for block in blocks if isinstance(block, FigureBlock)] == [1, 2]


@pytest.mark.parametrize(
    "body, message",
    [
        ("{{ nothing }}", "10-part.md.*, line 3: unknown value 'nothing'"),
        ("{{ made.of_nothing }}", "10-part.md.*of_nothing"),
        ("{{ values['b'] }}", "10-part.md.*unknown value 'b'. Known: a"),
        ("{{ 0 / 0 }}", "10-part.md.*division"),
        ("{{ nan | percent }}", "10-part.md.*nan"),
        ("{{ gone() }}", "10-part.md.*no such run"),
        ("{{ see('c') }}", "refers to the figure 'c'"),
        ("{{ figure('a') }} {{ figure('a') }}", "placed twice"),
    ],
)
def test_a_value_that_is_missing_is_an_error_that_names_the_section(body, message):
    def gone():
        raise StoreError("no such run")

    vocabulary = {"made": SimpleNamespace(), "values": {"a": 1}, "nan": float("nan"), "gone": gone}
    with pytest.raises((StoreError, UnknownName), match=message):
        composed(body, vocabulary)


def test_an_unknown_table_is_answered_with_the_list():
    with pytest.raises(UnknownName, match=r"10-part\.md.*unknown table 'tt'.*Known: t"):
        composed("{{ table('tt') }}", tables={"t": lambda: Table((), ())})


def prose_of(source):
    """A text file without what may hold digits: expressions, listings, inline code."""
    for pattern in (r"\{\{.*?\}\}", r"\{%.*?%\}", r"^```.*?^```", r"`[^`]*`"):
        source = re.sub(pattern, " ", source, flags=re.DOTALL | re.MULTILINE)
    return source


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_number_is_typed_in_the_text(path):
    words = prose_of(path.read_text(encoding="utf-8"))
    math = " ".join(a or b for a, b in re.findall(r"\$\$(.*?)\$\$|\$(.*?)\$", words, flags=re.DOTALL))
    assert re.findall(r"\d{2,}|\d[.,]\d", math) == [], "definitions need one digit at most"
    assert re.findall(r"\S*\d\S*", re.sub(r"\$\$.*?\$\$|\$.*?\$", "", words, flags=re.DOTALL)) == []


def test_the_lint_would_find_a_typed_result():
    assert re.search(r"\d", prose_of("Adam reaches 87.3 % with {{ x }}"))
    assert not re.search(r"\d", prose_of("Adam reaches {{ 1 }} with `x1`"))


def test_every_figure_is_placed_once(note):
    assert sorted(block.figure.name for block in note.figures()) == list(FIGURES)
    assert [block.number for block in note.figures()] == list(range(1, len(FIGURES) + 1))


def test_nothing_of_the_templates_is_left_in_the_note(note):
    for block in note.blocks():
        if isinstance(block, Prose):
            assert not re.search(r"\{\{|\{%|%\}|[\x02\x03]|None|nan|\bUndefined", block.markdown), block.markdown
            assert "  " not in block.markdown.replace("\n", "")


def test_the_words_of_a_comparison_are_chosen_by_the_data(made_up):
    values = Values(made_up)
    assert values.compare("nesterov", "adam") == "reaches a higher test accuracy than"
    assert values.compare("adam", "nesterov") == "reaches a lower test accuracy than"
    assert values.compare("adam", "adamw") == "cannot be told apart in test accuracy from"
    assert values.compare("nesterov", "adam", "test/loss") == "reaches a lower test loss than"
    assert re.fullmatch(r"\+\d+\.\d points, interval \d+\.\d to \d+\.\d", values.gap("nesterov", "adam"))


@pytest.mark.parametrize(
    "mean, low, high, told",
    [
        (0.0012, 0.0003, 0.0021, "+0.12 points, interval 0.03 to 0.21"),
        (-0.0002, -0.0003, -0.0001, "−0.02 points, interval −0.03 to −0.01"),
        (-0.0002, -0.01, 0.01, "0.0 points, interval −1.0 to 1.0"),
    ],
)
def test_a_difference_that_is_told_from_zero_is_not_written_as_zero(made_up, monkeypatch, mean, low, high, told):
    found = Difference(mean, low, high, 3, "a", "b")
    monkeypatch.setattr(Values, "difference", lambda *_: found)
    assert Values(made_up).gap("a", "b") == told


def test_a_study_of_one_seed_gets_a_note_that_tells_nothing_apart(build, tmp_path):
    note = make(build(tmp_path / "one", seeds=(0,)))
    words = " ".join(block.markdown for block in note.blocks() if isinstance(block, Prose))
    assert "from a single seed" in words
    assert "from one seed)" in words
    assert "higher test accuracy" not in words and "lower test accuracy" not in words


def test_a_study_without_a_configuration_is_refused_with_its_name(build, tmp_path):
    with pytest.raises(StoreError, match="does not hold.*: adam-eps-0.1, nesterov-step; run the whole study"):
        make(build(tmp_path / "less", leave_out=("adam-eps-0.1", "nesterov-step")))


def test_a_language_that_is_not_spoken_is_answered_with_those_that_are(made_up):
    with pytest.raises(ConfigError, match="passo does not speak 'fr': give one of en, pt-BR"):
        make(made_up, lang="fr")


def test_a_study_that_has_no_note_is_answered_with_those_that_have():
    with pytest.raises(UnknownName, match="unknown note 'optimisers'. Did you mean 'optimizers'"):
        text.files("optimisers")


def test_the_defaults_are_those_of_torch():
    torch = pytest.importorskip("torch")
    classes = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
    for name, defaults in DEFAULTS.items():
        parameters = inspect.signature(getattr(torch.optim, classes[name])).parameters
        assert defaults == {key: parameters[key].default for key in defaults}
