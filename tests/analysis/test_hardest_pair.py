"""Which images are hard for whom: made-up answers of which the losses are known, and the images of a study's maps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from passo.analysis import hardest_pair as reading
from passo.analysis.hardest_pair import HardestPair, hardest_pair
from passo.errors import StoreError
from passo.figures.hardest_pair import draw_hardest_pair
from passo.store import Store, StoredStudy, open_study

LABELS = ("dense", "convolving")
CLASSES = ("cat", "dog", "cow")
TRUE = np.array([0, 1, 2, 0, 1, 2])
Q = {  # of the true class, by image; what is left goes to the next class
    "dense": [0.9, 0.1, 0.2, 0.3, 0.8, 0.05],
    "convolving": [0.9, 0.9, 0.7, 0.2, 0.1, 0.04],
}


def write(folder: Path, seeds: int = 3) -> StoredStudy:
    told = {
        f"base-{label}": {"entry": "base", "model": label, "parts": [], "choice": "", "varied": {}} for label in LABELS
    }
    with Store.create(folder, name="made-up", config={}) as store:
        pair = {"labels": list(LABELS), "within": 0.02, "difference": 0.01, "matched": [{}, {}]}
        store.facts(pair=pair, configurations=told)
        for label in LABELS:
            for seed in range(seeds):
                run = store.add_run(f"base-{label}", config={}, seed=seed)
                run.info(data={"classes": list(CLASSES)})
                right = np.array(Q[label])
                q = np.zeros((6, 3))
                q[np.arange(6), TRUE] = right
                q[np.arange(6), (TRUE + 1) % 3] = 1 - right
                run.array("test/labels", TRUE)
                run.array("test/probabilities", q)
                run.finish()
    return open_study(folder)


def mapped(places: list[int], labels: np.ndarray | None = None) -> SimpleNamespace:
    """What `embedded_pair` gives of a map: places, their classes, their pixels (each filled with its place)."""
    at = np.array(places)
    pixels = np.tile(at[:, None, None], (1, 4, 4)).astype(np.uint8)
    return SimpleNamespace(positions=at, labels=TRUE[at] if labels is None else labels, thumbnails=pixels)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HardestPair:
    monkeypatch.setattr(reading, "embedded_pair", lambda study: (mapped([0, 1, 2, 3, 4, 5]), None))
    return hardest_pair(write(tmp_path / "study"))


def test_images_are_harder_for_one_by_the_difference_of_the_probabilities(found: HardestPair):
    gap = {i: Q["convolving"][i] - Q["dense"][i] for i in range(6)}
    assert found.harder(0, 6).tolist() == sorted(gap, key=lambda i: -gap[i])
    assert found.harder(1, 6).tolist() == sorted(gap, key=lambda i: gap[i])
    assert found.harder(0, 1).tolist() == [1]


def test_images_are_hard_for_both_by_the_larger_probability(found: HardestPair):
    larger = {i: max(Q["convolving"][i], Q["dense"][i]) for i in range(6)}
    assert found.hard_for_both(6).tolist() == sorted(larger, key=lambda i: larger[i])
    assert found.picture(5).tolist() == np.full((4, 4), 5).tolist()


def test_the_sentence_counts_who_is_wrong_where(found: HardestPair):
    told = found.sentence()
    assert "Of 6 test images, 2 are taken wrongly by both models" in told  # 3 and 5
    assert "2 by the dense alone and 1 by the convolving alone" in told  # 1 and 2; 4
    assert "Hardest for both is number 5: a cow that is given a probability of 5.0 % from the dense and 4.0 %" in told


def test_only_images_with_pixels_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "embedded_pair", lambda study: (mapped([0, 2, 4]), None))
    found = hardest_pair(write(tmp_path / "study", seeds=1))
    assert set(found.harder(0)) == {0, 2, 4}
    assert found.hard_for_both(1).tolist() == [2]
    assert "Of 6 test images" in found.sentence()
    assert "with one seed" in found.sentence()


def test_pixels_of_other_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "embedded_pair", lambda study: (mapped([0, 1], np.array([0, 2])), None))
    with pytest.raises(StoreError, match="tested on other images than its maps show"):
        hardest_pair(write(tmp_path / "study", seeds=1))


def test_a_study_that_keeps_no_pixels_says_so(tmp_path: Path):
    with pytest.raises(StoreError, match="kept nothing of 'embedding'"):
        hardest_pair(write(tmp_path / "study", seeds=1))


def test_the_figure_names_images_by_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "embedded_pair", lambda study: (mapped([0, 1, 2, 3, 4, 5]), None))
    figure = draw_hardest_pair(write(tmp_path / "study", seeds=2))
    words = "".join(figure.spec()["datasets"].values())
    assert words.count("no. 5") == 3  # in each row
    assert "harder for dense than for convolving" in words
    png, _ = figure.save(tmp_path)
    assert png.stat().st_size > 10_000
