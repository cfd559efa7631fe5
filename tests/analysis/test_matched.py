"""Two models of one size, told: the sums, the sentence's words, the table; from a stored study, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pair_study import make

from passo.analysis.matched import in_bytes, matched_models
from passo.errors import StoreError
from passo.store import Store, StoredStudy, open_study


def layer(name: str, parameters: int, macs: int, values: int) -> dict[str, Any]:
    memory = 4 * (parameters + values)
    return {"layer": name, "kind": "Linear", "output": [values], "parameters": parameters, "macs": macs,
            "memory": memory}  # fmt: skip


def told(folder: Path, *models: list[dict[str, Any]], labels: tuple[str, str] = ("flat", "folded")) -> StoredStudy:
    """A study that tells of two models with these layers, and of nothing else."""
    costs = [
        {"name": "mine", "options": {"hidden": [7]}, "layers": layers}
        | {key: sum(one[key] for one in layers) for key in ("parameters", "macs", "memory")}
        for layers in models
    ]
    with Store.create(folder / "study", name="pair", config={}) as study:
        study.facts(pair={"labels": list(labels), "within": 0.02, "difference": 0.0, "matched": costs})
    return open_study(folder / "study")


ONE = [layer("fc1", 100_000, 100_000, 100), layer("act1", 0, 0, 100), layer("view", 0, 0, 0)]
WIDE = [layer("conv1", 1_000, 800_000, 20_000), layer("out", 98_000, 98_000, 10)]


def test_the_sentence_tells_how_near_the_parameters_are_and_how_far_apart_the_work(tmp_path: Path) -> None:
    assert matched_models(told(tmp_path, ONE, WIDE)).sentence() == (
        "The flat has 100,000 trainable parameters and the folded 99,000, 1 % apart; the folded needs 9 times as many "
        "multiply-adds for an image (898,000 against 100,000) and 1.2 times as much memory (476 kB against 401 kB)."
    )


def test_the_words_follow_whichever_needs_more(tmp_path: Path) -> None:
    sentence = matched_models(told(tmp_path, WIDE, ONE, labels=("a", "b"))).sentence()
    assert "the a needs 9 times as many multiply-adds for an image (898,000 against 100,000) and 1.2 times" in sentence


def test_each_model_may_need_more_of_one_thing(tmp_path: Path) -> None:
    frugal = [layer("fc1", 100_000, 400_000, 1)]
    large = [layer("fc1", 100_000, 100_000, 100_000)]
    assert matched_models(told(tmp_path, frugal, large)).sentence() == (
        "The flat has 100,000 trainable parameters and the folded 100,000, the same number; the flat needs 4 times as "
        "many multiply-adds for an image (400,000 against 100,000); the folded needs 2 times as much memory (800 kB "
        "against 400 kB)."
    )


def test_what_is_alike_is_told_as_alike(tmp_path: Path) -> None:
    near = [layer("fc1", 100_000, 104_000, 200)]
    assert "; both need about as many multiply-adds for an image (100,000 and 104,000) and about as much memory" in (
        matched_models(told(tmp_path, ONE, near)).sentence()
    )


def test_the_table_has_every_layer_that_costs_something_and_the_sums(tmp_path: Path) -> None:
    table = matched_models(told(tmp_path, ONE, WIDE)).table()
    assert table.columns[0] == "flat" and table.columns[5] == "folded"
    assert [(row[0], row[5]) for row in table.rows] == [("fc1", "conv1"), ("act1", "out"), ("all", "all")]
    assert table.rows[0][1:5] == ("100", "100,000", "100,000", "400 kB")
    assert table.rows[-1][6:] == ("", "99,000", "898,000", "476 kB")


def test_models_of_different_depth_stand_side_by_side(tmp_path: Path) -> None:
    table = matched_models(told(tmp_path, WIDE, [layer("fc1", 5, 5, 5)])).table()
    assert [(row[0], row[5]) for row in table.rows] == [("conv1", "fc1"), ("out", ""), ("all", "all")]


def test_what_the_models_were_built_of_is_what_is_told(tmp_path: Path) -> None:
    from passo.models.budget import matched

    costs = matched([("mlp", {}), ("cnn", {})], (1, 28, 28), 10)
    with Store.create(tmp_path / "study", name="pair", config={}) as study:
        facts = [one.facts() for one in costs]
        study.facts(pair={"labels": ["mlp", "cnn"], "within": 0.02, "difference": 0.0, "matched": facts})
    found = matched_models(open_study(tmp_path / "study"))
    for mine, theirs in zip((found.first, found.second), costs, strict=True):
        assert (mine.parameters, mine.macs, mine.memory) == (theirs.parameters, theirs.macs, theirs.memory)
        assert [(one.layer, one.output) for one in mine.layers] == [(one.layer, one.output) for one in theirs.layers]
    assert found.apart < found.within == 0.02


def test_the_made_up_study_has_it_too(tmp_path: Path) -> None:
    found = matched_models(make(tmp_path / "study", seeds=1, parts=("small",), labels=("one", "two")))
    assert (found.first.label, found.second.label) == ("one", "two")
    assert found.second.parameters == 80 + 20_065 and found.second.macs == 56_448 + 19_800


def test_a_study_of_no_pair_says_so(tmp_path: Path) -> None:
    with Store.create(tmp_path / "study", name="alone", config={}):
        pass
    with pytest.raises(StoreError, match=r"compares no two models: its study file has no \[pair\]"):
        matched_models(open_study(tmp_path / "study"))


@pytest.mark.parametrize(("memory", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (2_500_000, "2.5 MB")])
def test_bytes_are_read_at_a_glance(memory: int, words: str) -> None:
    assert in_bytes(memory) == words
