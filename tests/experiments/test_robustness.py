"""Perturbed images shown to many models at once: which images they are, and that each answers as it would alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from passo.data import idx, load
from passo.data.export import export
from passo.data.perturbations import PERTURBATIONS
from passo.data.scaling import Scaling
from passo.errors import ConfigError, StoreError, UnknownName, UsageError
from passo.experiments import train
from passo.experiments.answering import Ready, groups
from passo.experiments.robustness import (
    STRENGTHS,
    Along,
    Shown,
    check_strengths,
    measure,
    shown_images,
    usual_strengths,
)
from passo.experiments.robustness_runs import first_flipped, most_seeds, robustness_run, robustness_study
from passo.models import build
from passo.store import Store, StoredRun, open_study

SAMPLE = "fashion-mnist-sample"
SPREAD = {"standardize": (0.28, 0.35), "normalize": (0.0, 1.0)}
WANTED = {"shift": [2, 5], "gaussian-noise": [0.3], "scale": [-0.4, 0.2]}


class Spy(nn.Module):
    """Remembers what it is shown; always says class 0. No graph has its memory, so that it is asked alone."""

    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.remember = seen.append  # copied with the module, it still remembers in the same place

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 0:
            self.remember(x.clone())
        return torch.eye(10)[torch.zeros(len(x), dtype=torch.long)]


def answered(
    models: Mapping[str, Sequence[Ready]], shown: Shown, along: Mapping[str, Mapping[str, Sequence[float]]]
) -> dict[str, dict[str, Along]]:
    return dict(found for found in measure(models, shown, along) if isinstance(found, tuple))


@pytest.fixture(scope="module")
def shown() -> Shown:
    return shown_images(load(SAMPLE), 60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[StoredRun]]:
    """Two seeds of a clean network and one that was trained on shifts."""
    folder, found = tmp_path_factory.mktemp("trained"), {}
    shifted = {"augment": {"shift": 3.0}}
    for name, seeds, changed in (("clean", (0, 1), {}), ("on-shift", (0,), shifted)):
        data: dict[str, Any] = {"per_class": 60, "validation": 0, **changed}
        runs = []
        for seed in seeds:
            out = folder / f"{name}-{seed}"
            settings: dict[str, Any] = {"epochs": 2, "lr": 3e-3, "seed": seed, "record": {"predictions": True}}
            train(SAMPLE, "tiny-cnn", out=out, dataset=data, optimizer="adam", **settings)
            runs += open_study(out).runs
        found[name] = runs
    return found


@pytest.mark.parametrize(("name", "strength"), [("shift", 3), ("rotation", 25), ("salt-and-pepper", 0.2)])
def test_models_are_shown_the_very_images_that_an_export_writes(tmp_path: Path, name: str, strength: float) -> None:
    options = {"perturb": {name: strength}, "perturbed": "test", "seed": 4}
    export(SAMPLE, tmp_path / "out", options, formats=("idx",))
    written = idx.read(next((tmp_path / "out").glob("t10k-images*")))
    shown = shown_images(load(SAMPLE), 40, seed=4)
    seen: list[Tensor] = []
    answered({"spy": [Ready(Spy(seen), Scaling("none", divisor=1.0))]}, shown, {"spy": {name: [strength]}})
    clean, changed = torch.cat(seen).split(40)
    assert np.array_equal(changed[:, 0].byte().numpy(), written[shown.positions])
    assert np.array_equal(clean[:, 0].byte().numpy(), load(SAMPLE).test.raw[shown.positions])


def test_a_shifted_image_is_the_image_shifted(shown: Shown) -> None:
    """Each is one of the four that a loop over pixels makes, and each way occurs."""
    ways = set()
    for before, after in zip(shown.pixels, shown.changed("shift", 4), strict=True):
        found = [way for way in ((4, 0), (-4, 0), (0, 4), (0, -4)) if np.array_equal(after, moved(before, *way))]
        assert len(found) >= 1
        ways |= set(found) if len(found) == 1 else set()
    assert len(ways) == 4


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    height, width = image.shape
    found = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                found[y, x] = image[y - down, x - right]
    return found


def test_models_together_answer_as_each_does_alone(shown: Shown) -> None:
    """Two architectures, two scalings, and one that cannot be fused; against a loop with neither blocks nor groups."""
    light, dark = Scaling("standardize", mean=0.28, sd=0.35), Scaling("normalize")
    mlps = [Ready(build("mlp", (1, 28, 28), 10, seed=s, hidden=(16,)), light) for s in range(3)]
    cnns = [Ready(build("cnn", (1, 28, 28), 10, seed=s, filters=(3, 4), units=(8,)), light) for s in range(2)]
    other = [Ready(one.model, dark) for one in mlps[:2]]  # not as many in each scaling
    even = [Ready(build("cnn", (1, 28, 28), 10, seed=s, filters=(3, 4), units=(8,)), dark) for s in (5, 6)]  # as many
    models = {"mlp": mlps, "cnn": cnns, "other": other, "even": even, "odd": [Ready(Odd(), light)]}
    assert sorted(len(one.members) for one in groups({(n, i): r for n in models for i, r in enumerate(models[n])})) == [
        1, 2, 3, 4,
    ]  # fmt: skip
    found = answered(models, shown, dict.fromkeys(models, WANTED))
    for name, several in models.items():
        for way, along in found[name].items():
            assert along.strengths.tolist() == [0.0, *check_strengths(WANTED)[way]]
            for seed, one in enumerate(several):
                for k, strength in enumerate(along.strengths):
                    pixels = load(SAMPLE, perturb={way: float(strength)}).test.raw[shown.positions]
                    with torch.no_grad():
                        mean, sd = SPREAD[one.scaling.name]
                        q = one.model.eval()((torch.from_numpy(pixels)[:, None] / 255 - mean) / sd).softmax(1)
                    assert np.array_equal(along.predicted[seed, k], q.argmax(1).numpy())
                    true = q[torch.arange(len(shown)), torch.from_numpy(shown.labels)].numpy()
                    rounding = 2.0**-11 * true + 2.0**-25  # of float16
                    assert (np.abs(along.probability[seed, k] - true) <= rounding + 1e-5).all()


def test_how_many_threads_share_the_images_changes_nothing(shown: Shown) -> None:
    models = {"mlp": [Ready(build("mlp", (1, 28, 28), 10, seed=s), Scaling("normalize")) for s in range(2)]}
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(answered(models, shown, {"mlp": WANTED})["mlp"])
            assert torch.get_num_threads() == threads  # as it was
    finally:
        torch.set_num_threads(before)
    one, three = found
    for way in WANTED:
        assert np.array_equal(one[way].predicted, three[way].predicted)
        assert one[way].probability == pytest.approx(three[way].probability, abs=1e-3)


class Odd(nn.Module):
    """A linear network with a sine, which the replica engine does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(784, 10)
        torch.manual_seed(3)
        nn.init.normal_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.sin(x.flatten(1)))


def test_a_flip_is_the_first_strength_that_a_loop_finds_wrong() -> None:
    labels = np.array([1, 1, 1, 1])
    predicted = np.array([[[1, 1, 0, 1], [1, 2, 1, 1], [2, 1, 0, 1]], [[0, 1, 1, 1], [1, 1, 1, 0], [1, 3, 0, 0]]])
    found = Along(np.array([0.0, 1.0, 2.0]), predicted, np.zeros(predicted.shape)).flips(labels)
    # the first turns wrong at strength 2, the second at 1 and right again, the third is wrong already, the last never
    assert found.tolist() == [[2, 1, -2, -1], [-2, 2, 2, 1]]
    for seed in range(2):
        for image in range(4):
            wrong = [k for k in range(3) if predicted[seed, k, image] != labels[image]]
            naive = -1 if not wrong else -2 if wrong[0] == 0 else wrong[0]
            assert found[seed, image] == naive


@pytest.mark.parametrize(
    ("flips", "most"),
    [
        ([3], 3),
        ([1, 3], 3),
        ([1, -1], -1),
        ([-2, 2, 4], 2),
        ([-2, -2, -1], -2),
        ([1, -1, -1], -1),
        ([2, 2, -1, -1], -1),
    ],
)
def test_an_image_is_flipped_where_more_than_half_of_the_seeds_have_it_wrong(flips: list[int], most: int) -> None:
    assert most_seeds(np.array(flips)[:, None], 5).tolist() == [most]


def test_the_images_that_flip_first_are_drawn_before_and_after(shown: Shown) -> None:
    """Of three images one flips at the second strength, and two at the first; the surer one of these is first."""
    few = Shown(shown.pixels[:4], np.zeros(4, np.int64), shown.positions[:4], 10, 0)
    wrong_at = np.array([2, 1, 1, 9])
    predicted = np.array([[7 * (k >= wrong_at) for k in range(3)]] * 3)
    predicted[0, 1] = [0, 5, 8, 0]  # one seed takes them for others
    sure = np.broadcast_to(np.array([0.9, 0.5, 0.8, 0.99]), predicted.shape)
    along = Along(np.array([0.0, 2.0, 5.0]), predicted, sure)
    rows, pictures = first_flipped(few, "shift", along, along.flips(few.labels))
    where = few.positions
    assert rows.tolist() == [[where[2], 1, 0, 7], [where[1], 1, 0, 7], [where[0], 2, 0, 7]]
    assert np.array_equal(pictures[0, 0], few.pixels[2])
    assert np.array_equal(pictures[0, 1], few.changed("shift", 2.0)[2])
    assert np.array_equal(pictures[2, 1], few.changed("shift", 5.0)[0])


def test_an_untrained_model_is_at_chance(shown: Shown) -> None:
    models = [Ready(build("mlp", (1, 28, 28), 10, seed=seed), Scaling("normalize")) for seed in range(12)]
    found = answered({"untrained": models}, shown_images(load(SAMPLE), 500), {"untrained": {"rotation": [90]}})
    right = found["untrained"]["rotation"].predicted == shown_images(load(SAMPLE), 500).labels
    each = right.mean((1, 2))
    spread = each.std(ddof=1) / np.sqrt(len(each))
    assert abs(each.mean() - 0.1) < 4 * spread + 0.01


def test_at_strength_zero_a_run_answers_as_it_did_in_its_own_test(trained: dict[str, list[StoredRun]]) -> None:
    drafts = dict(found for found in robustness_run(trained, {"shift": [2]}, 300) if isinstance(found, tuple))
    for name, runs in trained.items():
        arrays = {call[1][0]: call[1][1] for call in drafts[name].calls}
        assert sorted(np.bincount(arrays["labels"]).tolist()) == [30] * 10
        for seed, run in enumerate(runs):
            then = run.array("test/probabilities")[arrays["positions"]]
            assert np.array_equal(arrays["labels"], run.array("test/labels")[arrays["positions"]])
            assert np.array_equal(arrays["predicted/shift"][seed, 0], then.argmax(1))
            own = then[np.arange(300), arrays["labels"]]
            assert arrays["probability/shift"][seed, 0] == pytest.approx(own, abs=1e-3)


def test_one_that_was_trained_on_a_perturbation_is_measured_along_that_one(
    trained: dict[str, list[StoredRun]], tmp_path: Path
) -> None:
    """And what is written is read back from a study."""
    labels = dict.fromkeys(trained, "tiny")
    study = robustness_study(trained, tmp_path / "study", models=labels, strengths=WANTED, images=50)
    clean, shifted = study.select(kind="robustness")
    assert clean.config == {"of": "clean", "model": "tiny", "seeds": [0, 1], "images": 50, "seed": 0}
    measured = {run.name: {n.split("/")[1] for n in run.arrays() if "/" in n} for run in (clean, shifted)}
    assert measured == {"robustness-clean": set(WANTED), "robustness-on-shift": {"shift"}}
    assert clean.info["augment"] == {} and shifted.info["augment"] == {"shift": 3.0}
    assert clean.info["seeds"] == [0, 1] and clean.info["images"] == 50
    assert clean.array("strengths/scale").tolist() == [0.0, 0.2, -0.4]
    assert clean.meta("strengths/shift") == {"unit": "pixels", "whole": True}
    assert clean.array("predicted/scale").shape == (2, 3, 50)
    assert clean.array("flip/scale").shape == (2, 50)
    assert clean.array("flipped/scale").tolist() == most_seeds(clean.array("flip/scale"), 3).tolist()


def test_one_that_was_trained_on_what_is_not_asked_for_is_measured_along_all(
    trained: dict[str, list[StoredRun]],
) -> None:
    along = {"rotation": [10], "occlusion": [0.5]}
    drafts = dict(found for found in robustness_run(trained, along, 20) if isinstance(found, tuple))
    names = {call[1][0] for call in drafts["on-shift"].calls}
    assert {"predicted/rotation", "predicted/occlusion"} <= names


def test_how_much_is_done_only_grows_and_ends_at_all(trained: dict[str, list[StoredRun]]) -> None:
    said = [found for found in robustness_run(trained, WANTED, 20) if not isinstance(found, tuple)]
    assert said == sorted(set(said)) and said[-1] == 1.0 and len(said) == 6  # unchanged, and five strengths


def test_images_are_of_all_classes_alike_and_all_where_there_are_fewer() -> None:
    data = load(SAMPLE)
    assert np.bincount(shown_images(data, 50).labels).tolist() == [5] * 10
    assert len(shown_images(data, 5_000)) == 1_000
    assert not np.array_equal(shown_images(data, 50).positions, shown_images(data, 50, seed=1).positions)


def test_usual_strengths_are_eight_and_taken_by_every_perturbation() -> None:
    assert set(STRENGTHS) == set(PERTURBATIONS)
    for shape in ((1, 28, 28), (3, 32, 32), (3, 64, 96)):
        assert all(len(own) == 8 for own in check_strengths(usual_strengths(shape)).values())
    assert usual_strengths((3, 64, 96))["shift"] == (2, 5, 7, 9, 11, 14, 18, 23)


@pytest.mark.parametrize(
    ("strengths", "error", "told"),
    [
        ({"shfit": [1]}, UnknownName, "Did you mean 'shift'?"),
        ({"shift": [1.5]}, ConfigError, "shift must be a whole number"),
        ({"shift": 2}, ConfigError, "strengths of shift are a list"),
        ({"shift": [0]}, ConfigError, "shift needs a strength that is not 0"),
        ({}, ConfigError, "no perturbation was named"),
    ],
)
def test_strengths_that_cannot_be_are_refused(
    trained: dict[str, list[StoredRun]], strengths: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told.replace("?", r"\?")):
        next(robustness_run(trained, strengths))


def test_runs_that_cannot_be_measured_are_refused(trained: dict[str, list[StoredRun]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to measure"):
        next(robustness_run({}))
    train(SAMPLE, "mlp", out=tmp_path / "two", dataset={"per_class": 5, "classes": [0, 1]}, epochs=1)
    with pytest.raises(UsageError, match="tested on other images"):
        next(robustness_run({**trained, "two": open_study(tmp_path / "two").runs}))
    with Store.create(tmp_path / "bare", name="bare", config={}) as store:
        store.add_run("bare", config=trained["clean"][0].config).finish()
    with pytest.raises(StoreError, match="kept no trained model"):
        next(robustness_run({"bare": open_study(tmp_path / "bare").runs}))
