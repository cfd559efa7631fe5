"""One stored number is changed: what used it changes, comparisons with their words, and nothing else does."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from passo.notes import make
from passo.notes.content import FigureBlock, Note, Prose, Table
from passo.store import DATABASE, StoredStudy, open_study

RUN = "nesterov-cyclic-final-s0"


@pytest.fixture(scope="module")
def changed(made_up: StoredStudy, tmp_path_factory: pytest.TempPathFactory) -> Note:
    """The note after the test accuracy of one run was made a bad one, in SQLite."""
    folder = tmp_path_factory.mktemp("changed") / made_up.folder.name  # commands of the text name the folder
    shutil.copytree(made_up.folder, folder)
    with sqlite3.connect(folder / DATABASE) as database:
        told = database.execute(
            "UPDATE metrics SET value = 0.2 WHERE run = ? AND name = 'test/accuracy'", (RUN,)
        ).rowcount
    database.close()
    assert told == 1
    return make(open_study(folder))


def paragraphs(note: Note) -> list[tuple[str, str]]:
    return [
        (section.id, paragraph)
        for section in note.sections
        for block in section.blocks
        if isinstance(block, Prose)
        for paragraph in block.markdown.split("\n\n")
    ]


def test_the_paragraphs_that_used_it_change_and_no_others(note: Note, changed: Note) -> None:
    before, after = paragraphs(note), paragraphs(changed)
    assert len(before) == len(after)
    found = [old for old, new in zip(before, after, strict=True) if old != new]
    assert [(section, words[:28]) for section, words in found] == [
        ("together", "Adam reaches a test accuracy"),
        ("choosing", "And the winner? One may choo"),
    ]


def test_the_words_of_its_comparison_flip(note: Note, changed: Note) -> None:
    (old,), (new,) = (
        [words for _, words in paragraphs(one) if words.startswith("Adam reaches a test accuracy")]
        for one in (note, changed)
    )
    assert "Adam at its range test's rate reaches a lower test accuracy than Nesterov" in old
    assert "Adam at its range test's rate cannot be told apart in test accuracy from Nesterov" in new


def test_the_tables_and_the_captions_that_used_it_change_and_no_others(note: Note, changed: Note) -> None:
    tables = [
        old.caption
        for old, new in zip(note.blocks(), changed.blocks(), strict=True)
        if isinstance(old, Table) and old != new
    ]
    assert [caption[:19] for caption in tables] == ["Every configuration"]
    figures = [
        (old.figure.name, old.figure.sentence == new.figure.sentence)
        for old, new in zip(note.blocks(), changed.blocks(), strict=True)
        if isinstance(old, FigureBlock)
        and isinstance(new, FigureBlock)
        and (old.figure.sentence, old.caption) != (new.figure.sentence, new.caption)
    ]
    assert figures == [("final-accuracy", False)]
