"""Words that compare are chosen by the data: in a text they stand in an expression or a condition, or for a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from passo.notes.text import TEXTS

COMPARING = re.compile(
    r"\b(higher|highest|lower|lowest|better|best|worse|worst|more|less|fewer|faster|fastest|slower|slowest|larger|largest"
    r"|smaller|smallest|longer|shorter|closer|farther|twice|half|double|wins|won|beats|beaten|loses|lost|outperforms"
    r"|equals?|cannot be told apart|not distinguishable|significant(?:ly)?|improves|improved|hurts|helps|helped)\b",
    re.IGNORECASE,
)
ALLOWED = {
    "a definition, or what follows from an equation": (
        "It has *converged* where nothing more happens",
        "So many times fewer images",
        "we look for the smallest strength",
        "*Deletion:* taking",
        "Half of a map's weight lies on",
        "Set the two equal",
        "until less than one percent of bias",
        "Suppose the next gradient equals",
        "appears in the bracket twice",
        "*Smoothing and longer steps:*",
        "*The longer steps alone:*",
        "has not improved for more epochs than its patience",
        "and half a cycle",
        "climbs half as high as the one before",
        "the best rate for many epochs",
        "so that it weighs more in the first steps",
        "pairs of equals would look different",
    ),
    "a question, a rule or a limit: nothing is said of a result": (
        "Can a step be improved",
        "has the larger learning rate",
        "Everybody asks which optimiser is best",
        "what matters more",
        'Where they say "cannot be told apart"',
        "with equal budgets",
        "this optimiser beats that one, this schedule hurts",
        "may win a longer training",
        "may have lost by its rate",
        "need not be true of many more",
        "one seed can do no more",
        "more than one costs time",
        "costs more than patience",
        "no longer than on paper",
        "with more epochs",
        "everything else is equal",
        "what was kept equal",
    ),
    "what it belongs to is computed: the one at the end of a ranking, a median, a maximum": (
        "The highest were found by looking at the test",
        "the best epochs are",
        "half of the steps of",
        "it is never larger than",
        "the worst residual is",
        "worst residual",
        "The highest mean belongs to",
        "the highest mean validation accuracy belongs to",
        "the best and the last lie",
        "the bottom is",
        "images that are predicted worst",
    ),
    "no comparison of results: what was done, or where something stands": (
        "shown smaller and larger",
        "Fewer classes",
        "The lower one is measured",
        "One more detail of PyTorch",
        "hold the lowest panel",
        "at two or more constant learning rates",
        "and more than it has room for",
    ),
}
_CONDITION = re.compile(r"\{%[-+]?\s*if\b(?:(?!\{%[-+]?\s*(?:if|endif)\b).)*?\{%[-+]?\s*endif\s*[-+]?%\}", re.DOTALL)
_NOT_PROSE = (r"^```.*?^```", r"\{\{\s*cite\(.*?\}\}|\{%.*?%\}|\{#.*?#\}", r"\$\$.*?\$\$|\$[^$]*\$|`[^`{]*`")
THEORY = ("00-title.md", "10-idea.md", "70-practice.md")  # what is asked, and what is known of old: no results
VALUE = "◆"  # stands where a value was


def unconditional(source: str) -> str:
    """A text without what is computed, and without what stands there only if the data say so."""
    while _CONDITION.search(source):
        source = _CONDITION.sub(" ", source)
    for pattern in _NOT_PROSE:
        source = re.sub(pattern, " ", source, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\{\{.*?\}\}", VALUE, source, flags=re.DOTALL)


def comparing(source: str) -> Iterator[str]:
    """The sentences that compare by themselves."""
    for sentence in re.split(r"(?<=[.:?!])\s+|\n\n|\n(?=- )", unconditional(source)):
        if COMPARING.search(sentence):
            yield " ".join(sentence.split())


def texts() -> list[Path]:
    return sorted((TEXTS / "en").rglob("*.md"))


def checked(path: Path) -> list[str]:
    """The sentences of a section to hold; of those that tell theory, the ones that hold a value of the study."""
    found = comparing(path.read_text(encoding="utf-8"))
    return [sentence for sentence in found if path.name not in THEORY or VALUE in sentence]


@pytest.mark.parametrize("path", texts(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_word_that_compares_is_chosen_by_the_data_or_has_a_reason(path: Path) -> None:
    phrases = [phrase for group in ALLOWED.values() for phrase in group]
    for sentence in checked(path):
        assert any(phrase in sentence for phrase in phrases), sentence


def test_no_reason_is_given_for_what_nobody_writes() -> None:
    there = [sentence for path in texts() for sentence in checked(path)]
    for phrase in (phrase for group in ALLOWED.values() for phrase in group):
        assert any(phrase in sentence for sentence in there), phrase


def test_the_lint_finds_what_it_is_for() -> None:
    assert list(comparing("Adam is better than {{ label('sgd') }}."))
    assert list(comparing("Adam needs {{ n | times }} fewer epochs. It {% if x %}wins{% endif %}."))
    assert not list(comparing("Adam {% if a %}is {% if b %}better{% else %}worse{% endif %}{% endif %} here."))
    assert not list(comparing("{{ sentence('adam', 'sgd') }}. The rate is $twice$ `better`."))
