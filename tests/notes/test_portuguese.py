"""The note in two languages: neither lacks what the other says, and both are computed from the same values."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jinja2 import nodes

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "analysis")]

from pair_study import make as made_up_pair
from papers import lines

from passo.language import ENGLISH, LANGUAGES, speaking
from passo.notes import colophon, pair_colophon, tables
from passo.notes.byline import day
from passo.notes.content import Note, Prose, Table
from passo.notes.formats import SPACE, count, counted, duration, fixed, number, often, percent, points, spelled
from passo.notes.listings import listing, names
from passo.notes.pair_results import results
from passo.notes.pair_tables import layers, models
from passo.notes.pair_vocabulary import training
from passo.notes.pdf import paper, pdf
from passo.notes.spoken import Speech, listed
from passo.notes.subjects import subject
from passo.notes.text import TEXTS, compose
from passo.notes.values import Values, span
from passo.store import StoredStudy

OTHERS = LANGUAGES[1:]
PLACING = ("figure", "table", "listing", "passage", "cite", "see")
WORDING = (*PLACING, "say", "said", "listed", "escaped", "points", "mean", "loop", "span_percent")
"""Names that only write a value; which of them a language needs is its own affair, what they write is not."""
TEMPLATES = "assignment"
"""Texts that become a person's own: passages have names in that person's language."""


# ── What a text holds ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Told:
    """What one file of a text tells, however it says it."""

    headings: Counter[str]
    paragraphs: Counter[str]
    equations: Counter[str]
    listings: Counter[str]
    figures: Counter[str]
    tables: Counter[str]
    passages: Counter[str]
    sources: Counter[str]
    values: Counter[str]


def told(text: str) -> Told:
    """Read a text file: its Markdown by its blocks, its Jinja by what it asks of the study."""
    code = re.findall(r"^```\w*\n.*?^```$", text, re.MULTILINE | re.DOTALL)
    equations = re.findall(r"^\$\$\n(.*?)\n\$\$$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^(```\w*\n.*?^```|\$\$\n.*?\n\$\$)$", "", text, flags=re.MULTILINE | re.DOTALL)
    chunks = [chunk.strip() for chunk in re.split(r"\n\s*\n", prose) if chunk.strip()]
    placed = re.compile(r"\{%.*?%\}|\{\{ *(figure|table|listing)\(.*?\) *\}\}", re.DOTALL)
    words = [placed.sub("", chunk).strip() for chunk in chunks]
    lines = [line for line in prose.splitlines() if line.startswith("#")]
    reader = _Reader()
    reader.read(jinja2.Environment(trim_blocks=True, lstrip_blocks=True).parse(text), {})
    return Told(
        headings=Counter(line.split(" ")[0] for line in lines),
        paragraphs=Counter("paragraph" for chunk in words if chunk and not chunk.startswith("#")),
        equations=Counter(re.sub(r"\\text\{.*?\}", r"\\text{…}", equation) for equation in equations),
        listings=Counter(re.sub(r" *#.*| --(lang|out) [\w-]+", "", block) for block in code) + reader.calls["listing"],
        figures=reader.calls["figure"],
        tables=reader.calls["table"],
        passages=reader.calls["passage"],
        sources=reader.calls["cite"],
        values=Counter(dict.fromkeys(reader.values, 1)),
    )


class _Reader:
    """Collects what is placed, and every value of the study that a template names; its own variables are put in."""

    def __init__(self) -> None:
        self.calls: dict[str, Counter[str]] = {name: Counter() for name in PLACING}
        self.values: set[str] = set()

    def read(self, node: Any, names: dict[str, str]) -> None:
        if isinstance(node, nodes.Assign):
            names |= _assigned(node.target, node.node, names)  # it counts where it is used
        elif isinstance(node, nodes.For):
            self.read(node.iter, names)
            names |= _assigned(node.target, f"each of {_said(node.iter, names)}", names)
            for child in node.iter_child_nodes(exclude=("target", "iter")):
                self.read(child, names)
        elif isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem | nodes.Call):
            self._value(node, names)
        else:
            for child in node.iter_child_nodes():
                self.read(child, names)

    def _value(self, node: Any, names: dict[str, str]) -> None:
        root = _root(node)
        if root not in WORDING:
            self.values.add(_said(node, names))
            return
        if isinstance(node, nodes.Call):
            if isinstance(node.node, nodes.Name) and node.node.name in PLACING:
                self._placed(node, names)
            for child in [*node.args, *(keyword.value for keyword in node.kwargs)]:
                self.read(child, names)

    def _placed(self, node: nodes.Call, names: dict[str, str]) -> None:
        """A figure by its name and how it lies, a passage by its name and rank, a source by its key."""
        name = node.node.name  # type: ignore[attr-defined]
        constant = [arg.value for arg in node.args if isinstance(arg, nodes.Const)]
        if name == "cite":
            self.calls[name].update(map(str, constant))
        elif name == "figure":
            own = ["its own caption"] if len(node.args) > 1 else []
            lies = [f"{key.key}={key.value.value}" for key in node.kwargs]  # type: ignore[attr-defined]
            self.calls[name][", ".join([*map(str, constant[:1]), *own, *lies])] += 1
        else:
            self.calls[name][", ".join(map(str, constant)) or "a computed one"] += 1


def _assigned(target: Any, value: Any, names: Mapping[str, str]) -> dict[str, str]:
    """What variables stand for, by name."""
    whole = value if isinstance(value, str) else _said(value, names)
    if isinstance(target, nodes.Name):
        return {target.name: whole}
    if isinstance(value, nodes.Tuple):
        both = zip(target.items, value.items, strict=True)
        return {one.name: _said(given, names) for one, given in both}
    return {one.name: f"{whole}[{place}]" for place, one in enumerate(target.items)}


def _said(node: Any, names: Mapping[str, str]) -> str:
    """An expression in one way of writing it."""
    if isinstance(node, nodes.Const):
        return repr(node.value)
    if isinstance(node, nodes.Name):
        return names.get(node.name, node.name)
    if isinstance(node, nodes.Getattr):
        return f"{_said(node.node, names)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{_said(node.node, names)}[{_said(node.arg, names)}]"
    if isinstance(node, nodes.Call):
        given = [_said(arg, names) for arg in node.args] + [f"{k.key}={_said(k.value, names)}" for k in node.kwargs]
        return f"{_said(node.node, names)}({', '.join(given)})"
    inner = ", ".join(_said(child, names) for child in node.iter_child_nodes())
    return f"{type(node).__name__}({inner})"


def _root(node: Any) -> str:
    while isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Call):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""


def lacking(one: str, other: str) -> list[str]:
    """What the second text lacks of the first, by kind."""
    first, second = told(one), told(other)
    return [
        f"{part.name[:-1]}: {what}" + (f" ({n} times)" if n > 1 else "")
        for part in fields(Told)
        for what, n in (getattr(first, part.name) - getattr(second, part.name)).items()
    ]


# ── Neither language lacks what the other has ─────────────────────────────────────────────────────────────


def sections() -> list[str]:
    """Every file of every text, in whichever language it is: `folder/file`."""
    folders = [TEXTS / language for language in LANGUAGES]
    return sorted({str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*.md")})


def compared(name: str, one: str, other: str) -> Iterator[str]:
    """What one language lacks of the other in a file."""
    if absent := [language for language in (one, other) if not (TEXTS / language / name).is_file()]:
        yield f"{absent[0]} lacks the file"
        return
    texts = [(TEXTS / language / name).read_text(encoding="utf-8") for language in (one, other)]
    if name.startswith(TEMPLATES):
        texts = [re.sub(r'passage\("[^"]+"', 'passage("a name of its own"', text) for text in texts]
    yield from (f"{other} lacks the {what}" for what in lacking(*texts))
    yield from (f"{one} lacks the {what}" for what in lacking(*reversed(texts)))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", sections())
def test_no_language_lacks_a_paragraph_or_a_number_of_a_section(name: str, language: str) -> None:
    found = list(compared(name, ENGLISH, language))
    assert not found, f"{name}:\n" + "\n".join(found)


WHOLE = """# Title

{% set adam = watched("adam") %}
It is {{ adam.mean("grad") | fixed }} {{ cite("holm1979") }}.

### Below

$$
x = 1
$$

{% call passage("robustness", 2) %}
{{ figure("sizes", "A caption.", wide=true) }}

{{ say(found.sentence()) }}
{% endcall %}
"""


@pytest.mark.parametrize(
    "gone, message",
    [
        ("### Below\n", "heading: ###"),
        ("\n{{ say(found.sentence()) }}\n", "paragraph: paragraph"),
        ('{{ adam.mean("grad") | fixed }}', "value: watched('adam').mean('grad')"),
        ("$$\nx = 1\n$$", "equation: x = 1"),
        (', "A caption."', "figure: sizes, its own caption, wide=True"),
        (", 2", "passage: robustness, 2"),
        (' {{ cite("holm1979") }}', "source: holm1979"),
    ],
)
def test_what_one_language_lacks_is_named(gone: str, message: str) -> None:
    assert gone in WHOLE
    assert message in lacking(WHOLE, WHOLE.replace(gone, ""))


def test_a_text_that_says_the_same_in_another_order_and_other_words_lacks_nothing() -> None:
    other = WHOLE.replace("It is {{ adam.mean", "Ele é {{ watched('adam').mean")
    other = other.replace('{% set adam = watched("adam") %}\n', "").replace("say(found", 'say("de " ~ found')
    assert lacking(WHOLE, other) == [] == lacking(other, WHOLE)


# ── Numbers, names and comparisons ────────────────────────────────────────────────────────────────────────


def test_numbers_have_a_decimal_comma_and_units_are_said_in_portuguese() -> None:
    with speaking("pt-BR"):
        assert (percent(0.8734), points(-0.012), fixed(1234.5, 1)) == (f"87,3{SPACE}%", "−1,2 pontos", "1.234,5")
        assert (number(1.5e-8), count(60000), span([0.1, 0.25], number)) == (
            "1,5 × 10⁻⁸", "60.000", f"0,1{SPACE}a{SPACE}0,25",
        )  # fmt: skip
        assert (duration(42), often(1), often(2), often(5)) == ("42 segundos", "uma vez", "duas vezes", "cinco vezes")


def test_small_counts_have_the_gender_of_what_is_counted() -> None:
    with speaking("pt-BR"):
        assert [spelled(n) for n in (0, 1, 2, 3)] == ["nenhum", "um", "dois", "três"]
        assert [counted(n, "semente", feminine=True) for n in (1, 2, 16)] == [
            "uma semente",
            "duas sementes",
            "16 sementes",
        ]
        assert counted(2, "configuração", "configurações", feminine=True) == "duas configurações"
    assert [spelled(n, feminine=True) for n in (0, 1, 2)] == ["none", "one", "two"]


@pytest.mark.parametrize(
    "sentence, said",
    [
        ("mlp perde 3 pontos para cnn", f"A MLP perde 3{SPACE}pontos para a CNN"),
        ("o erro de mlp cresce em cnn e por cnn", "o erro da MLP cresce na CNN e pela CNN"),
        ("Em cnn nada muda. mlp cai", "Na CNN nada muda. A MLP cai"),
        ("o erro da mlp", "o erro da MLP"),
        ("mlp-larga e mlp", "mlp-larga e a MLP"),
        ("Mlp cai", "A MLP cai"),
    ],
)
def test_a_model_has_its_article_and_its_preposition(sentence: str, said: str) -> None:
    with speaking("pt-BR"):
        assert Speech(("mlp", "cnn"))(sentence) == said


def test_a_name_that_is_no_abbreviation_stays_as_it_is() -> None:
    with speaking("pt-BR"):
        say = Speech(("lenet-5", "a_b"))
        assert say("de lenet-5 e em a_b") == "de lenet-5 e em a\\_b" and say.the("lenet-5") == "lenet-5"
        assert (say.begin("cnn"), listed(["a", "b", "c"])) == ("A CNN", "a, b e c")


@pytest.mark.parametrize("a, b, verb", [("nesterov", "sgd", "maior"), ("sgd", "nesterov", "menor")])
def test_comparisons_are_chosen_by_the_data_in_portuguese(made_up: StoredStudy, a: str, b: str, verb: str) -> None:
    with speaking("pt-BR"):
        values = Values(made_up)
        sentence = values.sentence(a, b)
        assert f" alcança acurácia de teste {verb} que a do " in sentence and ", intervalo de " in sentence
        assert values.sentence("adam", "adamw").startswith("O Adam não se distingue do AdamW em acurácia de teste")


# ── Nothing is said past the catalogue ────────────────────────────────────────────────────────────────────

NAMES = {"Adam", "AdamW", "RMSprop", "SHA", "passo", "torch", "Python", "Linux", "conv", "weight", "conv1"}
SIGNS = {"hat", "sqrt", "varepsilon", "Delta", "theta", "g_t", "m_t", "v_t", "theta_t"}
Outside = Callable[..., list[str]]


def heads(table: Table) -> str:
    return " ".join((*table.columns, table.caption))


def test_tables_of_the_note_on_optimisers_hold_no_word_past_the_catalogue(
    made_up: StoredStudy, foreign: Outside
) -> None:
    made = {
        name: make for name, make in tables.tables(Values(made_up)).items() if hasattr(tables, name.replace("-", "_"))
    }
    assert len(made) == 10
    for name, make in made.items():
        assert foreign(heads(make()), *NAMES, *SIGNS) == [], name
    verdicts = [row[-1] for row in made["variants"]().rows[1:]]
    assert foreign(" ".join(verdicts)) == [] and all("⟦" in verdict for verdict in verdicts)


def test_how_a_note_was_made_is_told_past_no_catalogue(made_up: StoredStudy, foreign: Outside) -> None:
    told = colophon.colophon(Values(made_up))
    plain = re.sub(r"`[^`]*`", "", " ".join(" ".join(line) for line in told))
    # What the study itself says of its data and its machine.
    own = {"optimizers", "fashion-mnist-sample", "train-images-idx", "ubyte", "embedded", "MIT", "fashion", "three"}
    assert set(foreign(plain, *NAMES)) <= own | {"train-images-idx3-ubyte", "mnist-sample", "x86_64"}
    assert foreign(colophon.notice(Values(made_up)), "three") == []
    assert day(1.7e9).count("⟦") >= 1 and foreign(day(1.7e9), "November") == []


def test_tables_and_words_of_two_models_hold_no_word_past_the_catalogue(tmp_path: Path, foreign: Outside) -> None:
    study = made_up_pair(tmp_path / "study", parts=("sizes",), seeds=2, quick=True)
    for make in (models, layers, results):
        assert foreign(heads(make(study)), "MLP", "CNN") == [], make.__name__
    assert foreign(" ".join(row[0] for row in results(study).rows)) == []
    assert set(foreign(training(study.runs[0]), "Adam", "SGD", "OneCycleLR")) == set()
    assert all("⟦" in label for label, _ in pair_colophon.colophon(study))
    assert foreign(pair_colophon.notice(study), "two") == []


def test_the_command_that_repeats_a_note_repeats_its_language(made_up: StoredStudy) -> None:
    english = colophon.command(Values(made_up))
    with speaking("pt-BR"):
        assert colophon.command(Values(made_up)) == english.replace("optimizers", "optimizers --lang pt-BR", 1)


@pytest.mark.parametrize("name", names())
def test_comments_in_listings_are_said_and_their_code_stays(name: str) -> None:
    english = listing(name)
    with speaking("pt-BR"):
        portuguese = listing(name)
    code = [re.sub(r"  # .*", "", text) for text in (english, portuguese)]
    assert code[0] == code[1] and (english != portuguese) == ("  # " in english)


# ── Whole notes ───────────────────────────────────────────────────────────────────────────────────────────

ENGLISH_WORDS = (
    r"\b(the|and|with|from|than|which|seeds?|training|images|accuracy|loss|steps?|points|where|that|never)\b"
)


def written(study: StoredStudy, *, short: bool = False) -> Note:
    """A note in Portuguese, with the same small figure in every place."""
    about = subject(study)
    with speaking("pt-BR"):
        words = about.words(study)
        texts = [(path.name, path.read_text(encoding="utf-8")) for path in about.sources(short, "pt-BR")]
        return compose(
            texts, words.vocabulary, draw=lines, tables=words.tables, language="pt-BR", notice=words.notice,
            colophon=words.colophon, cited=words.cited,
        )  # fmt: skip


def spoken_words(note: Note) -> str:
    """Prose, tables and colophon, without code, addresses, equations and names of files."""
    tables = [cell for b in note.blocks() if isinstance(b, Table) for row in (b.columns, *b.rows) for cell in row]
    prose = [block.markdown for block in note.blocks() if isinstance(block, Prose)]
    captions = [block.caption for block in note.blocks() if isinstance(block, Table)]
    colophon = [" ".join(line) for line in note.colophon]
    whole = "\n".join([note.title, note.subtitle, note.notice, *prose, *tables, *captions, *colophon])
    return re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|\S+-ubyte", " ", whole)


def test_a_note_in_portuguese_has_no_english_left_and_no_decimal_points(made_up: StoredStudy) -> None:
    words = spoken_words(written(made_up))
    assert re.findall(ENGLISH_WORDS, words) == []
    versions = r"\d+\.\d+\.\d+|Python 3\.\d+"
    assert re.findall(r"\b\d+\.\d{1,2}\b", re.sub(versions, "", words)) == []


@pytest.mark.parametrize("short", [True, False], ids=["report", "note"])
def test_a_note_on_two_models_has_no_english_left_and_a_pdf(tmp_path: Path, short: bool) -> None:
    study = made_up_pair(tmp_path / "study", parts=("small", "sizes", "imbalance", "exploration"), seeds=2)
    note = written(study, short=short)
    words = spoken_words(note)
    assert re.findall(ENGLISH_WORDS, words) == []
    assert not re.search(
        r"(?<![\w-])(mlp|cnn)(?![\w-])", " ".join(b.markdown for b in note.blocks() if isinstance(b, Prose))
    )
    assert not short or pdf(paper(note)).startswith(b"%PDF")
