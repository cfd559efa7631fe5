"""A report keeps to its pages: what matters least goes first, and what went is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from papers import LOREM, composed, lines

from passo.errors import ConfigError, StoreError, UnknownName
from passo.notes.content import FigureBlock, LeftOut, Prose
from passo.notes.fitting import LOWEST, fit
from passo.notes.text import compose


def test_what_fits_is_left_whole():
    found = fit(composed(3, length=3), 2)
    assert found.paper.pages == 1 and found.left_out == () and found.layout.tall == 1.0


def test_the_least_important_passages_go_and_no_more_of_them_than_must():
    compose = composed(12)
    found = fit(compose, 1)
    gone = [passage.name for passage in found.left_out]
    assert found.paper.pages == 1 and 0 < len(gone) < 12
    assert gone == [f"part {rank}" for rank in range(13 - len(gone), 13)]
    one_more = fit(lambda without: compose(without=frozenset(gone[1:]) | without), 2)
    assert one_more.paper.pages == 2, "with the first of them back it takes another page"


def test_what_went_is_said_in_the_last_line():
    source = fit(composed(12), 1).paper.files["note.typ"].decode()
    assert source.index("Left out for want of room: part") > source.index("#heading(level: 1)")
    assert "Left out" not in fit(composed(2), 2).paper.files["note.typ"].decode()


def test_pages_that_cannot_hold_the_least_are_refused_with_how_many_it_takes():
    with pytest.raises(ConfigError, match="--pages 1 cannot hold the report: its least takes 2 pages at 10 pt; give"):
        fit(composed(2, must=90), 1)
    with pytest.raises(ConfigError, match="--pages must be 1 or more, got 0"):
        fit(composed(2), 0)


def test_plots_shrink_before_a_passage_goes_but_not_below_their_bound():
    body = '{{ figure("a") }}\n\n{{ figure("b") }}\n\n{{ figure("c") }}\n\n{{ figure("d") }}\n\n'
    words = f'{{% call passage("words", 1) %}}{LOREM * 31}{{% endcall %}}'
    texts = [("00-title.md", "# T\n\nS."), ("10-a.md", f"# A\n\n{body}{words}")]
    found = fit(lambda without: compose(texts, {}, draw=lines, tables={}, without=without), 1)
    assert found.left_out == () and LOWEST <= found.layout.tall < 1.0


# ── Passages ──────────────────────────────────────────────────────────────────────────────────────────────


def noted(body, draw=lines, **options):
    return compose([("00-title.md", "# T\n\nS."), ("10-a.md", f"# A\n\n{body}")], {}, draw=draw, tables={}, **options)


def lacking(name):
    if name == "gone":
        raise StoreError("the study has no run of it")
    return lines(name)


def test_what_the_study_lacks_leaves_its_passage_out_and_says_why():
    body = (
        'Words.\n\n{% call passage("maps") %}{{ figure("a") }} {{ figure("gone") }}{% endcall %}\n\n{{ figure("b") }}'
    )
    note = noted(body, lacking)
    assert note.left_out == (LeftOut("maps", "the study has no run of it"),)
    assert [type(block) for block in note.blocks()] == [Prose, FigureBlock]
    assert [(block.number, block.figure.name) for block in note.figures()] == [(1, "b")]


def test_outside_of_a_passage_what_is_lacking_is_an_error():
    with pytest.raises(StoreError, match=r"section 10-a.md of the note, line 3: the study has no run of it"):
        noted('{{ figure("gone") }}', lacking)


def test_a_mistake_in_the_text_is_never_taken_for_something_that_a_study_lacks():
    with pytest.raises(UnknownName, match="unknown value 'nothing'"):
        noted('{% call passage("maps") %}{{ nothing }}{% endcall %}')


def test_a_section_of_which_nothing_stays_goes_with_its_heading():
    note = noted('{% call passage("maps", 1) %}Words.{% endcall %}', without=frozenset({"maps"}))
    assert note.sections == () and note.left_out == (LeftOut("maps", ""),)


def test_sources_are_numbered_as_they_are_first_cited_and_only_those_are_listed():
    cited = {"a": "A.", "b": "B.", "c": "C."}
    note = noted('X {{ cite("b") }}. Y {{ cite("a", "b") }}.', cited=cited)
    assert [(s.number, s.key) for s in note.sources] == [(1, "b"), (2, "a")]
    (block,) = note.blocks()
    assert block == Prose(r"X \[[1](#source-b)\]. Y \[[2](#source-a), [1](#source-b)\].")
