"""What the doctor says in a study's note: counts that lead to their runs, silence; nothing where none could look."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import passo
from passo.language import LANGUAGES
from passo.notes import doctor, make
from passo.notes.content import Note, Prose
from passo.store import Store, StoredStudy, open_study

SMALL = {"dataset": {"name": "fashion-mnist-sample", "per_class": 30}, "model": "mlp", "epochs": 1}
WORDS = {"en": ("What the doctor says", "found in 2 of 4"), "pt-BR": ("Diagnóstico", "encontrado em 2 de 4")}


def study(folder: Path, rises: float) -> StoredStudy:
    """Two configurations of two seeds; the validation loss of the first rises, and its second seed did not end."""
    with Store.create(folder, name="mine", config={"title": "Mine"}) as store:
        for name, slope in (("wide", rises), ("narrow", 0.0)):
            for seed in (0, 1):
                run = store.add_run(name, config={"model": {"name": name}, "epochs": 8}, seed=seed)
                for step in range(1, 81):
                    run.scalars(step, step / 10, {"train/loss": math.exp(-step / 20)})
                    if step % 10 == 0:
                        run.scalars(step, step / 10, {"validation/loss": 1.0 + slope * abs(step - 30 - seed) / 50})
                run.scalars(80, 8.0, {"test/accuracy": 0.7, "test/loss": 1.0})
                run.finish("diverged" if name == "wide" and seed else "done")
    return open_study(folder)


def told(note: Note) -> list[Prose]:
    """The doctor's part of a note."""
    return [block for part in note.sections if part.id == "doctor" for block in part.blocks if isinstance(block, Prose)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_many_have_a_defect_is_told_and_leads_to_them(tmp_path: Path, language: str) -> None:
    note = make(study(tmp_path / "mine", 0.8), lang=language)
    title, count = WORDS[language]
    [block] = told(note)
    assert title in [part.title for part in note.sections] and count in block.markdown
    assert "`wide-s0`, `wide-s1`" in block.markdown and "`passo train early_stopping.patience=3`" in block.markdown
    assert {one.runs for one in block.origins} == {frozenset({"wide-s0"})}  # a note knows the runs that ended well
    first = block.origins[0]
    assert block.markdown[first.start : first.end] == "2"


def test_where_curves_alone_were_recorded_and_nothing_was_found_nothing_is_said(tmp_path: Path) -> None:
    assert told(make(study(tmp_path / "mine", 0.0))) == []


def test_of_many_the_first_seeds_are_looked_at_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PATIENTS", 2)
    [block] = told(make(study(tmp_path / "mine", 0.8)))
    assert "looked over 2 trainings, the first seeds of 4" in block.markdown and "found in 1 of 2" in block.markdown


@pytest.mark.parametrize("clipped", [False, True])
def test_what_was_watched_is_told_with_what_it_lacks(tmp_path: Path, clipped: bool) -> None:
    more = {"optimizer": "sgd", "lr": 0.1, "clip_norm": 1e-4} if clipped else {}
    passo.train(**SMALL, **more, record={"every": 1}, out=tmp_path / "mine")  # type: ignore[arg-type]
    words = " ".join(block.markdown for block in told(make(open_study(tmp_path / "mine"))))
    assert "could not look, since a training lacks" in words and "record.witness=true" in words
    assert ("whose steps were recorded, and found nothing" in words) is not clipped
    assert ("`passo inspect mine/mlp-sgd-s0 --figure clipping`" in words) is clipped
