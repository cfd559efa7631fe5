"""Every number of a note knows its runs, and the page leads to them."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from passo.notes import Written, make, origins, sourced
from passo.notes.content import Group, Note, Origin, Prose, Table
from passo.notes.html import block_html
from passo.notes.linked import Links
from passo.notes.rendering import render, sandboxed
from passo.notes.sourced import Marks, Sourced, following, opened, places, settled
from passo.store import StoredStudy, open_study

ADAM, SGD = frozenset({"adam-s0", "adam-s1"}), frozenset({"sgd-s0"})
GROUPS = (
    Group("adam", "train", (0, 1), ("adam-s0", "adam-s1")),
    Group("sgd", "train", (0,), ("sgd-s0",)),
)


def rendered(text: str, **words: Any) -> tuple[str, list[tuple[str, frozenset[str]]]]:
    """A text with its values, and what of it came from which runs."""
    marks = Marks()
    plain, found = marks.cleared(render("10-part.md", text, words, following(sandboxed(), marks)))
    return plain, [(plain[one.start : one.end], one.runs) for one in found]


@pytest.mark.parametrize(
    ("text", "said", "runs"),
    [
        ("{{ loss }}", "0.5", ADAM),
        ("{{ 2 * loss + other }}", "1.25", ADAM | SGD),
        ("{{ (1 - loss) ** 2 }}", "0.25", ADAM),
        ("{{ -loss }}", "-0.5", ADAM),
        ("{{ half * loss }}", "0.25", ADAM),
        ("{{ loss | percent(0) }}", "50\xa0%", ADAM),
        ("{{ loss | fixed(digits) }}", "0.50", ADAM | {"settings"}),
        ("{{ run.stages[0].size }}", "3", SGD),
        ("{{ run.at('grad', digits) }}", "grad 2", SGD | {"settings"}),
        ("{{ double(loss) }}", "1.0", ADAM),
        ("{% set a, b = pair %}{{ b }}", "8", ADAM),
        ("{% for one in pair %}{{ one if loop.last }}{% endfor %}", "8", ADAM),
        ("{{ by_name.items() | list | length }}", "1", SGD),
        ("{{ pair[1:] | first }}", "8", ADAM),
        ("{{ {0.5: 'found'}[loss] }}", "found", ADAM),
    ],
)
def test_what_is_made_of_values_has_their_runs(text: str, said: str, runs: frozenset[str]) -> None:
    plain, found = rendered(
        text,
        loss=sourced.sourced(0.5, ADAM),
        other=sourced.sourced(0.25, SGD),
        half=np.float64(0.5),
        digits=sourced.sourced(2, ["settings"]),
        run=sourced.sourced(
            SimpleNamespace(stages=[SimpleNamespace(size=3)], at=lambda stage, step: f"{stage} {step}"), SGD
        ),
        double=lambda value: 2 * value,
        pair=sourced.sourced((7, 8), ADAM),
        by_name=sourced.sourced({"a": 1}, SGD),
    )
    assert (plain, found) == (said, [(said, runs)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% if loss > 0.4 and loss == 0.5 and loss in [0.5] %}yes{% endif %}", "yes"),
        ("{{ 'yes' if none is none and loss is number and loss is defined else 'no' }}", "yes"),
        ("{{ 'a ' ~ loss }}", "a 0.5"),
        ("{{ place(loss) }}", "placed 0.5"),
        ("{{ 'yes' if pair is iterable else 'no' }}", "yes"),
        ("{% if nothing %}{% else %}yes{% endif %}", "yes"),
    ],
)
def test_comparing_joining_and_placing_is_as_for_plain_values(text: str, said: str) -> None:
    words = {name: sourced.sourced(value, ADAM) for name, value in {"loss": 0.5, "nothing": [], "pair": (1, 2)}.items()}
    plain, found = rendered(text, **words, place=places(lambda value: f"placed {value}"))
    assert (plain, found) == (said, [])


def test_none_and_truths_stay_what_they_are() -> None:
    assert sourced.sourced(None, ADAM) is None and sourced.sourced(True, ADAM) is True
    assert opened({"a": [Sourced(1, ADAM)]}) == ({"a": [1]}, ADAM)


def test_what_a_stranger_may_not_reach_stays_shut_around_a_value() -> None:
    with pytest.raises(Exception, match=r"10-part\.md.*(may not|missing|unsafe)"):
        rendered("{{ value.__class__.__mro__ }}", value=sourced.sourced("x", ADAM))
    with pytest.raises(Exception, match=r"10-part\.md"):
        rendered("{{ value.format(other) }}", value=sourced.sourced("{0.__class__}", ADAM), other=object())


def test_a_note_is_left_without_signs_whatever_stood_between_them() -> None:
    marks = Marks()
    one = marks.marked(sourced.sourced("0.5", ADAM))
    note = Note("T", "S", "en", (Prose(f"**{one}** {marks.marked(sourced.sourced('', SGD))}"), Prose(one)), ())
    found = settled(note, marks).lead
    assert found == (Prose("**0.5** ", (Origin(2, 5, ADAM),)), Prose("0.5", (Origin(0, 3, ADAM),)))


# ── The page ──────────────────────────────────────────────────────────────────────────────────────────────


def told(words: str, *origins: tuple[str, frozenset[str]]) -> str:
    """The HTML of some Markdown whose words came from runs."""
    places = [(words.index(part), len(part), runs) for part, runs in origins]
    prose = Prose(words, tuple(Origin(start, start + long, runs) for start, long, runs in places))
    return block_html(prose, Links(Note("", "", "en", (), (), groups=GROUPS)))


def test_only_the_numbers_of_a_sentence_become_links() -> None:
    html = told(
        "Adam gains +2.1 points, interval −0.4 to 3.8, in `conv1`.",
        ("Adam gains +2.1 points, interval −0.4 to 3.8", ADAM),
    )
    assert re.findall(r">([^<>]*)</a>", html) == ["+2.1", "−0.4", "3.8"]
    assert 'title="From adam (seeds 0 and 1)"' in html and 'href="#runs-0"' in html


@pytest.mark.parametrize("number", ["1,586", "87.3\xa0±\xa00.4\xa0%", "1.5 × 10⁻⁸", "10⁻⁴", "3:1", "five epochs"])
def test_a_number_is_one_link_however_it_is_written(number: str) -> None:
    assert re.findall(r">([^<>]*)</a>", told(f"It is {number} here.", (number, SGD))) == [number]


def test_one_run_is_led_to_itself_and_several_to_what_names_them_all() -> None:
    links = Links(Note("", "", "en", (), (), groups=GROUPS))
    assert links.target(frozenset({"adam-s1"})) == ("run-adam-s1", "From adam (seed 1)")
    assert links.target(frozenset({"adam-s1"}) | SGD)[0] == "runs-together-1"
    assert links.target(frozenset({origins.STUDY}))[0] == "runs-study"
    assert links.together() == [
        ("runs-together-1", '<a href="#runs-0">adam (seed 1)</a>, <a href="#runs-1">sgd (seed 0)</a>')
    ]


def test_numbers_of_code_are_no_links_and_an_equation_is_one() -> None:
    assert "<a" not in told("Take `conv1.weight[0, 2]`.", ("conv1.weight[0, 2]", SGD))
    html = told("Here $\\beta = 0.9$.", ("0.9", SGD))
    assert html.count("<a ") == 1 and re.search(r'<a class="number"[^>]*><math', html)


def test_the_keyboard_stops_once_for_numbers_of_one_origin() -> None:
    html = told("1 and 2, then 3.", ("1 and 2", ADAM), ("3", SGD))
    assert re.findall(r'(tabindex="-1")?>(\d)</a>', html) == [("", "1"), ('tabindex="-1"', "2"), ("", "3")]


def test_rows_of_a_table_have_links_and_one_origin_of_all_is_said_in_the_caption() -> None:
    links = Links(Note("", "", "en", (), (), groups=GROUPS))
    html = block_html(Table(("", "x"), (("a", "1"), ("b", "2")), "All.", (ADAM, SGD)), links)
    assert re.findall(r'href="#([\w-]+)"[^>]*>(\d)<', html) == [("runs-0", "1"), ("runs-1", "2")]
    html = block_html(Table(("", "x"), (("a", "1"), ("b", "2")), "All.", (ADAM, ADAM)), links)
    assert html.count("<a ") == 1 and "<caption><span>All. <a" in html


def test_every_link_of_a_number_leads_to_its_runs_on_the_page(written: Written) -> None:
    text = written.html.read_text(encoding="utf-8")
    numbers, anchors = re.findall(r'<a class="number" href="#([^"]+)"', text), re.findall(r' id="([^"]+)"', text)
    assert len(numbers) > 150 and set(numbers) <= set(anchors)
    assert len(set(anchors)) == len(anchors)


def test_no_sign_is_left_anywhere(written: Written) -> None:
    for path in (written.html, written.markdown):
        assert not re.search("[\U000f0000-\U000ffffd]", path.read_text(encoding="utf-8"))


# ── What the runs say is true ─────────────────────────────────────────────────────────────────────────────


def values(note: Note) -> list[tuple[str, frozenset[str]]]:
    """The values in a note's text, and their runs."""
    blocks = [block for block in note.blocks() if isinstance(block, Prose)]
    return [(block.markdown[one.start : one.end], one.runs) for block in blocks for one in block.origins]


def test_a_number_that_changes_with_a_run_says_that_it_came_from_it(
    made_up: StoredStudy, note: Note, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = "adam-s1", tmp_path / "study"
    shutil.copytree(made_up.folder, folder)
    with closing(sqlite3.connect(folder / "study.sqlite")) as database, database:
        database.execute("UPDATE metrics SET value = value + 0.004 WHERE run = ? AND name LIKE 'test/%'", [run])
    monkeypatch.setattr("passo.figures.draw", lambda name, _: SimpleNamespace(name=name, caption="", sentence=""))
    before, after = values(note), values(make(open_study(folder)))
    assert [runs for _, runs in before] == [runs for _, runs in after]
    changed = [(old, runs) for (old, runs), (new, _) in zip(before, after, strict=True) if old != new]
    assert changed and all(run in runs for _, runs in changed), changed
