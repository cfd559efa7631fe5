"""Figures of comparisons, answers, claims and layers in another language: no word is left in English but names."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from answered import many, stored
from invented import adam, invented
from lecture_trials import trials

import passo
from passo.explaining import LatentCodes, convolution_at, feature_maps, filters, scaled
from passo.figures import Wish, draw_compared, draw_run
from passo.figures.convolved import draw_convolution
from passo.figures.filters import draw_feature_maps, draw_filters
from passo.figures.latent import draw_latent
from passo.figures.lectured import draw_lectured
from passo.figures.scaled import draw_scaled
from passo.figures.style import Figure
from passo.language import speaking
from passo.store import Store, StoredRun, StoredStudy, open_study
from passo.studies.lectured import claims

TOLD = ("word", "text", "state", "which", "score", "label", "place", "within", "taken", "p")
NAMES = ("adam", "sgd", "momentum", "mlp", "lenet", "tiny-cnn", "kind", "adm", "made-up", "conv", "ae")
NAMES += ("it", "Student", "Wilson", "Bonferroni", "Holm", "Dodge", "Dolan", "Moré", "fashion-mnist-sample", "masking")
NAMES += ("adam0", "optimizer", "log", "setting", "other")  # 2 log 2; the kinds of bars, which stand in no legend


def said(figure: Figure) -> str:
    """All that a figure says: its words, titles, legends, tooltips' titles, and what is written into it."""
    spec = figure.chart.to_dict()
    rows = (row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text)))
    written = (text or "" for row in rows for column, text in row.items() if column in TOLD)
    return "\n".join([figure.caption, figure.sentence, *_titles({**spec, "config": {}}), *written])


def _titles(part: Any) -> Iterator[str]:
    """Every title, subtitle, word of a mark and domain of names, at any depth."""
    if isinstance(part, dict):
        for key, value in part.items():
            told = [value] if isinstance(value, str) else value
            if key in ("title", "subtitle", "text", "domain") and isinstance(told, list):
                yield from (text for text in told if isinstance(text, str))
            elif key not in ("datasets", "data", "params"):
                yield from _titles(value)
    elif isinstance(part, list):
        yield from itertools.chain.from_iterable(map(_titles, part))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Rates × strengths of L2, three seeds each, one of which is lost."""
    random, runs, configs = np.random.default_rng(0), {}, {}
    for lr, decay in itertools.product((0.001, 0.01, 0.1), (0.0, 0.1)):
        name = f"adam{lr:g}-{decay:g}"
        ends = [0.8 - abs(lr - 0.01) - 0.1 * decay + 0.03 * float(random.standard_normal()) for _ in range(3)]
        runs[name] = [
            {
                "validation/accuracy": [end - 0.1, end],
                "validation/loss": [1.1 - end, 1 - end],
                "test/accuracy": [0, end],
            }
            for end in ends
        ]
        configs[name] = adam(lr, l2=decay)
    return invented(tmp_path_factory.mktemp("spoken") / "grid", runs, configs)


@pytest.mark.parametrize("name", ["ranked", "sensitivity", "parallel", "profiles", "importance", "budget"])
def test_a_comparing_figure_is_said_in_another_language(name: str, grid: StoredStudy, foreign: Callable) -> None:
    figure = draw_compared(name, grid, Wish(problem="l2", target=0.7))
    assert foreign(said(figure), *NAMES) == []
    found = json.dumps(figure.chart.to_dict()["config"]["locale"])
    assert '"decimal": ","' in found


@pytest.mark.parametrize("name", ["confusion", "classes", "calibration", "cross-entropy", "hardest", "overfitting"])
def test_what_a_run_answered_is_said_in_another_language(name: str, tmp_path: Path, foreign: Callable) -> None:
    q, labels = many(3, 200)
    epochs = {
        "epoch/train_loss": [2 - 0.05 * e for e in range(1, 31)],
        "validation/loss": [2.5 - 0.05 * e if e <= 10 else 2 + 0.04 * (e - 10) for e in range(1, 31)],
        "validation/accuracy": [0.5 + 0.01 * e for e in range(1, 31)],
    }
    run = stored(tmp_path / "run", q, labels, classes=[f"kind-{c}" for c in range(3)], metrics=epochs)
    more = {"images": np.zeros((200, 8, 8), np.uint8), "most": 7} if name == "hardest" else {}
    assert foreign(said(draw_run(name, run, **more)), *NAMES, "kind-0", "kind-1", "kind-2") == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run with everything that an autoencoder and a GAN keep."""
    random = np.random.default_rng(1)
    images = random.random((12, 3, 1, 6, 6))
    arrays = {"test/errors": random.random(50), "test/first": images, "test/worst": images}
    arrays |= {"test/worst/places": np.arange(12), "reconstructions": np.stack([images, images])}
    arrays["samples"] = random.random((12, 25, 1, 6, 6))
    ends = {"test/psnr_noisy": 3.0, "test/distance": 0.06, "test/distance_real": 0.02, "test/spread": 0.5}
    with Store.create(tmp_path_factory.mktemp("made") / "study", name="made-up", config={}) as store:
        run = store.add_run("it", config={"task": {"noise": "masking", "strength": 0.5}})
        for name, values in arrays.items():
            run.array(name, values, noisy=True)
        for step in range(1, 1001):
            names = ("d_real", "d_fake", "loss", "loss_discriminator")
            run.scalars(step, step / 100, {f"train/{name}": 0.5 for name in names} | (ends if step == 1 else {}))
        run.finish()
    return open_study(store.folder).runs[0]


@pytest.mark.parametrize("name", ["reconstructions", "errors", "discriminator", "samples"])
def test_what_a_run_made_is_said_in_another_language(name: str, made: StoredRun, foreign: Callable) -> None:
    assert foreign(said(draw_run(name, made)), *NAMES) == []


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredStudy]:
    return trials(tmp_path_factory.mktemp("lecture"))


@pytest.mark.parametrize("name", ["batches", "adam", "l2"])
def test_a_claim_is_drawn_in_another_language(name: str, studies: dict[str, StoredStudy], foreign: Callable) -> None:
    mine = {trial.name: studies[trial.name] for trial in claims((name,))[0].trials}
    assert foreign(said(draw_lectured(name, mine)), *NAMES) == []


def _codes(bottleneck: int) -> LatentCodes:
    random = np.random.default_rng(bottleneck)
    return LatentCodes(f"ae{bottleneck}", random.normal(size=(30, bottleneck)), random.random(30),
                       random.integers(0, 2, 30), ("kind", "made-up"))  # fmt: skip


def test_the_inside_of_a_model_is_said_in_another_language(foreign: Callable) -> None:
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0))
    model = passo.build("lenet", seed=0)
    drawn = (
        draw_filters(filters(model, "conv2")),
        draw_feature_maps(feature_maps(model, image, "conv1")),
        draw_convolution(convolution_at(model, image, "conv2", channel=3, place=(2, 2))),
        draw_latent([_codes(1), _codes(3)]),
        draw_scaled(scaled(passo.load("fashion-mnist-sample", scale="normalize"), image=3)),
    )
    for figure in drawn:
        assert foreign(said(figure), *NAMES, "conv1", "conv2", "fashion", "mnist", "sample") == []


def test_numbers_in_a_figure_have_the_marks_of_its_language(grid: StoredStudy) -> None:
    with speaking("pt-BR"):
        figure = draw_compared("ranked", grid)
    assert "acurácia de teste" in figure.caption and "termina com" in figure.sentence
    assert "," in figure.sentence.partition("[")[2].partition("]")[0]
