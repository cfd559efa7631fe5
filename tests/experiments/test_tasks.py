"""Whole trainings of each task: resumed to the same bits, kept with what their figures need, refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import passo
from passo import store
from passo.analysis.halves import half_of, halves
from passo.errors import PassoError, TrainingError
from passo.experiments import Result, training
from passo.experiments.assembling import assemble, check_predicts, load_data
from passo.training import train_config
from passo.training.tasks.halves import Halves

SMALL = {"name": "fashion-mnist-sample", "per_class": 8}
GAN = {"dataset": {**SMALL, "scale": "symmetric"}, "model": {"name": "gan", "hidden": [8], "latent": 4}}
DCGAN = {**GAN, "model": {"name": "gan", "kind": "convolutional", "filters": [4, 4], "latent": 4, "dropout": 0.2}}
AUTOENCODER = {"dataset": SMALL, "model": {"name": "autoencoder", "hidden": [8], "bottleneck": 4}}


def _config(settings: dict[str, Any], **more: Any) -> Any:
    return train_config({"batch_size": 16, "epochs": 3, **settings, **more})


def _walk(config: Any, out: Path, stop: int | None = None) -> Result | None:
    with training(config, out) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                return record
            if record.step == stop:
                return None
    return None


def _told(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """All metrics but times, and all arrays, of a study's only run."""
    (run,) = store.open_study(folder).runs
    metrics = {name: run.metric(name) for name in run.metrics() if "seconds" not in name}
    told = {name: (one.steps.tolist(), one.values.tolist()) for name, one in metrics.items()}
    return told, {name: run.array(name) for name in run.arrays()}


@pytest.mark.parametrize(
    "settings",
    [
        GAN,
        {**GAN, "accumulate": 2, "task": {"discriminator_lr": 0.01, "smoothing": 0.1}},
        {**DCGAN, "accumulate": 2, "schedule": {"name": "CosineAnnealingLR"}, "epochs": 2},
        {**DCGAN, "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.5}, "schedule": "OneCycleLR", "average": 0.9},
        {**AUTOENCODER, "task": {"noise": "gaussian"}, "accumulate": 2},
        {**AUTOENCODER, "task": {"noise": "salt-and-pepper", "strength": 0.2, "loss": "mae"}},
    ],
)
def test_every_task_goes_on_to_the_same_bits(tmp_path: Path, settings: dict[str, Any]) -> None:
    if settings.get("schedule") == "OneCycleLR":
        settings = {**settings, "schedule": {"name": "OneCycleLR", "max_lr": 0.01}}
    config = _config(settings)
    whole = _walk(config, tmp_path / "whole")
    for stop in (2, 5):
        assert _walk(config, tmp_path / "parts", stop) is None
    again = _walk(config, tmp_path / "parts")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256
    (metrics, arrays), (metrics_again, arrays_again) = _told(tmp_path / "whole"), _told(tmp_path / "parts")
    assert metrics == metrics_again
    assert arrays.keys() == arrays_again.keys()
    assert all(np.array_equal(arrays[name], arrays_again[name], equal_nan=True) for name in arrays)


def test_the_hash_covers_both_halves_and_both_learning_rates_count(tmp_path: Path) -> None:
    one, other = (_walk(_config(GAN, task={"discriminator_lr": lr}), tmp_path / str(lr)) for lr in (1e-3, 1.0000001e-3))
    assert one is not None and other is not None
    changed = [n for n, p in one.model.state_dict().items() if not torch.equal(p, other.model.state_dict()[n])]
    assert {name.split(".")[0] for name in changed} == {"generator", "discriminator"}
    assert one.weights_sha256 != other.weights_sha256


def test_each_half_has_its_own_optimizer_schedule_and_options() -> None:
    config = _config(GAN, task={"discriminator_lr": 0.5}, schedule={"name": "ExponentialLR", "gamma": 0.1})
    parts = assemble(config, load_data(config))
    halves: Any = parts.optimizer
    assert isinstance(halves, Halves) and list(halves.parts) == ["generator", "discriminator"]
    held = {name: {id(p) for g in one.param_groups for p in g["params"]} for name, one in halves.parts.items()}
    model: Any = parts.model
    assert held == {name: {id(p) for p in getattr(model, name).parameters()} for name in halves.parts}
    assert parts.schedule is not None
    for one in halves.parts.values():
        one.step()
    parts.schedule.after_epoch()
    rates = {name: one.param_groups[0]["lr"] for name, one in halves.parts.items()}
    assert rates == pytest.approx({"generator": 1e-4, "discriminator": 0.05})


def test_a_gan_keeps_what_it_told_at_every_step_and_its_samples_after_every_epoch(tmp_path: Path) -> None:
    run = passo.train(out=tmp_path / "run", model="gan", data="fashion-mnist-sample", epochs=3, batch_size=16,
                      dataset={"per_class": 8, "scale": "symmetric"}, task={"samples": 7}).run  # fmt: skip
    steps = run.metric("train/loss").steps.tolist()
    for name in ("loss_discriminator", "d_real", "d_fake"):
        assert run.metric(f"train/{name}").steps.tolist() == steps == list(range(1, 16))
    assert run.array("samples").shape == (3, 7, 1, 28, 28)
    assert run.array("samples").min() >= 0 and run.array("samples").max() <= 1
    assert run.array("test/samples").shape == (7, 1, 28, 28)
    assert {f"test/{name}" for name in ("d_real", "d_fake", "distance", "distance_real", "spread")} <= set(
        run.metrics()
    )
    assert run.info["best"]["monitor"] == "validation/distance"


def test_an_autoencoder_keeps_some_images_of_every_epoch_and_the_worst_of_the_test(tmp_path: Path) -> None:
    run = passo.train(out=tmp_path / "run", model="autoencoder", data="fashion-mnist-sample", epochs=2, batch_size=16,
                      dataset={"per_class": 8}, task={"noise": "masking"}).run  # fmt: skip
    clean = passo.load("fashion-mnist-sample", per_class=8).test.raw / 255
    assert run.array("reconstructions").shape == (2, 8, 3, 1, 28, 28)
    first, second = run.array("reconstructions")
    assert np.array_equal(first[:, 0], second[:, 0]) and np.array_equal(first[:, 2], second[:, 2])
    assert not np.array_equal(first[:, 1], second[:, 1])
    worst, places = run.array("test/worst"), run.array("test/worst/places")
    assert worst[:, 2, 0] == pytest.approx(clean[places], abs=1e-5)
    errors = run.array("test/errors")
    assert errors.mean() == pytest.approx(run.metric("test/mse").last, rel=1e-5)
    assert places.tolist() == np.argsort(-errors, kind="stable")[:10].tolist()
    assert errors[places] == pytest.approx(((worst[:, 1] - worst[:, 2]) ** 2).mean((1, 2, 3)), rel=1e-4)


def test_a_table_of_values_is_learned_from_the_configuration_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    y = 3 * x[:, 0] - x[:, 1] + 0.1 * rng.normal(size=400)
    rows = [",".join(map(str, row)) for row in np.column_stack([x, y]).tolist()]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,c,y", *rows]))
    run = passo.train(str(tmp_path / "data.csv"), "mlp", out=tmp_path / "run", epochs=30, lr=0.01, batch_size=16,
                      record={"predictions": True}).run  # fmt: skip
    given, wanted = run.array("test/outputs").astype(float), run.array("test/targets").astype(float)
    assert run.metric("test/mse").last == pytest.approx(((given - wanted) ** 2).mean(), rel=1e-5)
    assert run.metric("test/r2").last > 0.95
    assert {"validation/mse", "validation/mae", "validation/r2"} <= set(run.metrics())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**GAN, "dataset": SMALL}, "take dataset.scale=symmetric"),
        ({**AUTOENCODER, "model": {"name": "autoencoder", "output": "sigmoid"}}, "take dataset.scale=normalize"),
        ({**AUTOENCODER, "model": {"name": "autoencoder", "output": "tanh"}}, "take dataset.scale=symmetric"),
        (
            {**AUTOENCODER, "model": "mlp", "task": "reconstruct"},
            r"gives inputs back, \(1, 28, 28\), and model mlp gives",
        ),
        ({**GAN, "model": "mlp", "task": "generate"}, "take model=gan"),
        ({**GAN, "class_weights": True}, "class_weights are of classes"),
        ({**AUTOENCODER, "task": "classify"}, "model autoencoder is made to reconstruct, not to classify"),
        ({**AUTOENCODER, "task": {"nois": "gaussian"}}, "task reconstruct takes noise, strength, loss, got"),
        ({**AUTOENCODER, "model": "mlp", "task": "denoise"}, "unknown task 'denoise'"),
    ],
)
def test_what_does_not_suit_a_task_is_refused_before_a_folder_is_made(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(PassoError, match=said):
        _walk(_config(settings), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_gan_that_diverges_says_so_and_stays_readable(tmp_path: Path) -> None:
    config = _config(GAN, optimizer={"name": "sgd", "lr": 1e30})
    with pytest.raises(TrainingError, match="not finite"):
        _walk(config, tmp_path / "run")
    (run,) = store.open_study(tmp_path / "run").runs
    assert run.status == "diverged" and "not finite" in str(run.error)


def test_both_halves_of_a_gan_are_watched_explained_and_go_on_to_the_same_records(tmp_path: Path) -> None:
    config = _config(GAN, record={"every": 1, "coordinates": 2}, epochs=2)
    whole = _walk(config, tmp_path / "whole")
    assert _walk(config, tmp_path / "parts", 3) is None
    again = _walk(config, tmp_path / "parts")
    assert whole is not None and again is not None and again.weights_sha256 == whole.weights_sha256
    unwatched = _walk(_config(GAN, epochs=2), tmp_path / "plain")
    assert unwatched is not None and unwatched.weights_sha256 == whole.weights_sha256
    (_, arrays), (_, arrays_again) = _told(tmp_path / "whole"), _told(tmp_path / "parts")
    assert arrays.keys() == arrays_again.keys()
    assert all(np.array_equal(arrays[name], arrays_again[name], equal_nan=True) for name in arrays)
    (run,) = store.open_study(tmp_path / "whole").runs
    generator, discriminator = halves(run)
    for half, name in ((generator, "generator"), (discriminator, "discriminator")):
        assert half.array("trace/steps").tolist() == list(range(1, 11))
        assert {one.split(".")[0] for one in half.meta("statistics")["parameters"]} == {name}
        assert max(half.info["watch"]["roundings"].values()) <= 8
    assert half_of(run, "discriminator.fc1.weight") == discriminator and half_of(run, "generator.fc1.weight") is run
    raw = stage_rms(discriminator, "grad_raw"), stage_rms(discriminator, "grad")
    assert np.array_equal(*raw), "what the generator's pass leaves is not taken for the discriminator's gradient"


def stage_rms(run: Any, stage: str) -> np.ndarray:
    return run.array("statistics")[:, run.meta("statistics")["stages"].index(stage), :, 1]


@pytest.mark.parametrize("key", ["loss", "activations", "path", "probes"])
def test_what_needs_one_model_with_one_loss_is_not_recorded_of_a_gan(tmp_path: Path, key: str) -> None:
    record = {key: 3} if key in ("path", "probes") else {"every": 1, key: True}
    with pytest.raises(PassoError, match=f"record.{key} is of one model with one loss"):
        _walk(_config(GAN, record=record), tmp_path / "out")


def test_parameters_of_one_half_alone_can_be_watched(tmp_path: Path) -> None:
    _walk(_config(GAN, record={"every": 1, "parameters": ["discriminator.out.bias"]}, epochs=1), tmp_path / "run")
    (run,) = store.open_study(tmp_path / "run").runs
    assert run.meta("statistics")["parameters"] == ["discriminator.out.bias"]


@pytest.mark.parametrize("settings", [GAN, AUTOENCODER])
def test_a_range_test_of_what_predicts_nothing_is_refused_in_a_sentence(settings: dict[str, Any]) -> None:
    config = _config(settings)
    with pytest.raises(PassoError, match="a range test is of a model that predicts, and task (generate|reconstruct)"):
        check_predicts(assemble(config, load_data(config)).task, "a range test")
