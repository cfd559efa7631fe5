"""Both confusion matrices and their difference, as they are drawn, for few classes and for many."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import vl_convert

from passo.analysis.confused import ConfusedPair, compared
from passo.analysis.confusions import Confusions
from passo.figures import Figure
from passo.figures.confused import EMPTY, confusion_pair


def made(classes: int, seeds: int = 4, images: int = 50) -> ConfusedPair:
    """Two models that take each class for the next one, the second half as often."""
    random = np.random.default_rng(classes)
    names = tuple(f"a kind of thing {c}" for c in range(classes))
    both = []
    for label, share in (("slow", 0.4), ("quick", 0.1)):
        rates = (1 - share) * np.eye(classes) + share * np.roll(np.eye(classes), 1, 1)
        counts = np.array([[random.multinomial(images, row) for row in rates] for _ in range(seeds)])
        both.append(Confusions(label, names, tuple(range(seeds)), counts))
    return ConfusedPair(("slow", "quick"), both[0], both[1], compared(*both))


def drawn(figure: Figure) -> list[dict[str, str]]:
    """All rows that the picture holds; and Vega itself takes it."""
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    assert spec["description"] == figure.sentence
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


@pytest.mark.parametrize("classes", [2, 10, 20, 60])
def test_cells_hold_the_mean_shares_and_their_difference(classes: int):
    found = made(classes)
    rows = [row for row in drawn(confusion_pair(found)) if "value" in row]
    expected = []
    for values in (found.first.rates.mean(0), found.second.rates.mean(0)):
        expected += [values[t, g] for t in range(classes) for g in range(classes) if values[t, g] >= EMPTY]
    gaps = found.first.rates.mean(0) - found.second.rates.mean(0)
    expected += [value for value in gaps.ravel() if abs(value) >= EMPTY]
    assert sorted(float(row["value"]) for row in rows) == pytest.approx(sorted(expected), rel=1e-3)


def test_cells_of_many_classes_hold_no_numbers():
    few, many = (confusion_pair(made(classes)) for classes in (20, 21))
    assert "numbers are percent" in few.caption
    assert "numbers are percent" not in many.caption
    assert "'percent'" not in str(many.spec())
    assert "'percent'" in str(few.spec())


def test_cells_that_are_told_apart_have_a_frame():
    found = made(10)
    assert found.apart
    rows = [row for row in drawn(confusion_pair(found)) if set(row) == {"true", "given"}]
    framed = {(row["true"], row["given"]) for row in rows}
    assert framed == {(found.classes[cell.true], found.classes[cell.given]) for cell in found.apart}


def test_one_seed_has_no_frames_and_no_intervals():
    rows = drawn(confusion_pair(made(5, seeds=1)))
    assert not [row for row in rows if set(row) == {"true", "given"}]
    assert {row["low"] for row in rows if "low" in row} == {""}


def test_models_without_a_mistake_are_drawn(tmp_path: Path):
    counts = np.tile(np.diag([20, 20, 20]), (3, 1, 1))
    both = [Confusions(name, ("x", "y", "z"), (0, 1, 2), counts) for name in ("slow", "quick")]
    figure = confusion_pair(ConfusedPair(("slow", "quick"), both[0], both[1], compared(*both)))
    assert "Neither slow nor quick confuses two classes often enough" in figure.sentence
    png, _ = figure.save(tmp_path)
    assert png.stat().st_size > 5_000
