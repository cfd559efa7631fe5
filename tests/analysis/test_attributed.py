"""Heat maps read without torch: their concentration by hand, and verdicts in the words that the numbers ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo.analysis.attributed import Attributed, attributed_pair, halved
from passo.analysis.intervals import interval
from passo.analysis.mapped import mapped_pair
from passo.analysis.seen import both_seen
from passo.analysis.trusted import Trusted, trusted_pair
from passo.errors import StoreError
from passo.store import Store, StoredStudy, open_study

SHARES = np.linspace(0, 1, 5)
CLASSES = ["cat", "dog", "owl"]


def attribution_of(maps: np.ndarray, right: int = 2, **facts: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts as `explaining.attributed` gives them: maps (L, n, 2, H, W), the first `right` images right."""
    layers, n = maps.shape[:2]
    labels = np.arange(n) % 3
    predicted = np.where(np.arange(n) < right, labels, (labels + 1) % 3)
    other = np.where(np.arange(n) < right, (labels + 2) % 3, labels)
    arrays = {"places": np.arange(n) * 7, "labels": labels, "predicted": predicted, "other": other, "maps": maps}
    arrays["probabilities"] = np.full((n, 3), 1 / 3, np.float32)
    arrays["pixels"] = np.zeros((n, *maps.shape[3:]), np.uint8)
    arrays["agreement"] = np.linspace(-1, 1, layers * n).reshape(layers, n)
    told = {"name": "net", "method": "grad-cam", "layers": [f"conv{i}" for i in range(layers)], "classes": CLASSES}
    return arrays, told | {"convolutions": layers, "count": 50, "right": 40} | facts


def trust_of(
    deletion: float = 0.2, insertion: float = 0.2, left: float = 0.1, count: int = 20, **facts: Any
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Checks whose gains over random maps are as given at every share, but for a little noise over images."""
    random = np.random.default_rng(0)
    noise = 0.02 * random.standard_normal((count, 1))
    level = np.full((3, count, len(SHARES)), 0.5)
    arrays = {"places": np.arange(count), "shares": SHARES, "random_deletion": level, "random_insertion": level}
    arrays |= {"deletion": level[0] - deletion + noise, "insertion": level[0] + insertion + noise}
    arrays["similarity"] = left + 0.02 * random.standard_normal((3, 2, count))
    arrays["random_similarity"] = 0.02 * random.standard_normal((3, count))
    return arrays, {
        "name": "net",
        "method": "grad-cam",
        "layer": "conv1",
        "layers": ["out", "conv1"],
        "empty": 0,
    } | facts


def test_half_of_the_weight_is_found_as_by_taking_pixels_one_by_one() -> None:
    maps = np.random.default_rng(0).random((3, 2, 4, 5)) ** 3
    maps[1, 0] = 0
    found = halved(maps)
    for place in np.ndindex(3, 2):
        total, held, taken = maps[place].sum(), 0.0, 0
        for value in sorted(maps[place].ravel(), reverse=True):
            if held >= total / 2:
                break
            held, taken = held + value, taken + 1
        assert np.isnan(found[place]) if place == (1, 0) else found[place] == taken / 20


def test_right_and_wrong_predictions_are_told_apart_and_empty_maps_left_out() -> None:
    maps = np.ones((1, 5, 2, 4, 4))
    maps[0, 0, 0] = np.eye(4)  # half of it on 2 of 16 pixels
    maps[0, 3, 1] = 0  # the true class of a wrong prediction has no evidence
    found = Attributed.of(*attribution_of(maps))
    assert found.correct.tolist() == [True, True, False, False, False] and len(found) == 5
    row = dict(zip(found.table().columns, found.table().rows[0], strict=True))
    assert row == {
        "layer": "conv0",
        "half, right": "31.2 %",  # the mean of 2/16 and 8/16
        "half, wrong": "50.0 %",
        "likeness, right": "−0.75",
        "likeness, wrong": "0.50",  # of 0 and 1; 0.5 is the empty one's
        "empty": "1",
    }
    assert "puts half of its weight on 50.0 % of the pixels" in found.sentence()
    assert found.sentence().endswith("have a rank correlation of 0.50 (median of 2, 0.00 to 1.00).")


def test_what_there_is_nothing_to_say_of_is_said() -> None:
    nothing = Attributed.of(*attribution_of(np.zeros((1, 3, 2, 4, 4)), name="idle"))
    assert nothing.sentence() == "Grad-CAM at conv0 of idle is 0 everywhere for all 3 images shown."
    allright = Attributed.of(
        *attribution_of(np.ones((1, 3, 2, 4, 4)), right=3, method="input-gradient", convolutions=0)
    )
    assert allright.sentence().startswith("The input's gradient of net, which has no convolution, puts")
    assert allright.sentence().endswith("it errs on none of the 50.")
    assert [cell for cell in allright.table().rows[0] if cell == "—"] == ["—", "—"]


def test_areas_and_gains_are_the_trapezoid_rule_s() -> None:
    arrays, facts = trust_of()
    arrays["deletion"] = np.random.default_rng(1).random((20, 5))
    found = Trusted.of(arrays, facts)
    by_hand = [sum((row[i] + row[i + 1]) / 2 * 0.25 for i in range(4)) for row in arrays["deletion"]]
    assert found.deletion.areas()[0] == pytest.approx(by_hand)
    assert found.deletion.gain == interval(0.5 - np.array(by_hand))
    assert found.insertion.gain.mean == pytest.approx(0.2, abs=0.02)


def test_a_map_is_trusted_only_where_all_three_checks_hold() -> None:
    good = Trusted.of(*trust_of())
    assert (
        good.holds and "Grad-CAM at conv1 of net can be trusted here, over 20 test images: deleting" in good.sentence()
    )
    cases: dict[str, dict[str, Any]] = {
        "deleting pixels in its order lowers the probability slower": {"deletion": -0.2},
        "deleting pixels in its order lowers the probability no faster": {"deletion": 0.0},
        "inserting them raises the probability no faster": {"insertion": 0.0},
        "with random weights much of it stays": {"left": 0.7},
        "with random weights much of it stays (rank correlation −0.7": {"left": -0.7},
    }
    for words, wrong in cases.items():
        found = Trusted.of(*trust_of(**wrong))
        verdict, _, held = found.sentence().partition(". What holds: ")
        assert not found.holds and verdict.startswith("Grad-CAM at conv1 of net cannot be trusted here"), words
        assert words in verdict and words not in held and held.count("(") == 2
        assert [row[-1] for row in found.table().rows].count("no") == 1
    none = Trusted.of(*trust_of(0, 0, 0.9, empty=3))
    assert "over 20 test images (3 maps are 0 everywhere): deleting" in none.sentence()
    assert "What holds" not in none.sentence()
    assert "(1 map is 0 everywhere)" in Trusted.of(*trust_of(empty=1)).sentence()


def test_one_image_says_nothing() -> None:
    found = Trusted.of(*trust_of(count=1))
    assert not found.holds and "checked on one image" in found.sentence() and str(found.table())


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    """Two models of which one was looked into, with a topic that could not be had."""
    with Store.create(tmp_path / "study", name="made-up", config={}) as store:
        store.facts(pair={"labels": ["a", "b"], "within": 0.02, "difference": 0.0, "matched": [{}, {}]})
        for label in ("a", "b"):
            run = store.add_run(f"seeing-base-{label}", config={"model": label}, seed=0, kind="seeing")
            arrays, facts = attribution_of(np.ones((1, 3, 2, 4, 4)), name=label)
            for name, values in arrays.items():
                run.array(f"attribution/{name}", values)
            run.info(attribution=facts)
            if label == "a":
                run.info(missing={"trust": "this model says nothing"})
            run.finish()
    return open_study(tmp_path / "study")


def test_both_models_are_read_from_a_study_in_its_order(study: StoredStudy) -> None:
    first, second = attributed_pair(study)
    assert (first.name, second.name) == ("a", "b") and first.maps.shape == (1, 3, 2, 4, 4)


def test_what_a_study_lacks_is_said_with_the_reason_where_there_is_one(study: StoredStudy) -> None:
    with pytest.raises(StoreError, match="kept nothing of 'trust' for a: it cannot be had: this model says nothing"):
        trusted_pair(study)
    with pytest.raises(StoreError, match=r"kept nothing of 'maps' for a: give its file \[seeing\]"):
        mapped_pair(study)
    run = both_seen(study, "attribution")[1]
    assert run.config["model"] == "b"
    arrays, facts = attribution_of(np.ones((1, 3, 2, 4, 4)))
    with pytest.raises(StoreError, match="was not kept whole: it lacks agreement"):
        Attributed.of({name: values for name, values in arrays.items() if name != "agreement"}, facts)
    with pytest.raises(StoreError, match="it lacks method, right"):
        Attributed.of(arrays, {name: told for name, told in facts.items() if name not in ("method", "right")})
    with pytest.raises(StoreError, match="3 images at 2 layers have maps of shape"):
        Attributed.of(arrays, facts | {"layers": ["conv1", "conv2"]})
