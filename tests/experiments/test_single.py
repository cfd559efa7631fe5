"""One training, whole: what it returns, what it keeps, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from passo import store
from passo.data import load
from passo.errors import ConfigError, FolderInUse, TrainingError
from passo.experiments import train, training
from passo.models import build
from passo.training import train_config, weights_sha256

SMALL = {"name": "fashion-mnist-sample", "per_class": 20}


def test_a_training_keeps_everything_and_returns_what_it_kept(tmp_path: Path) -> None:
    done = train("fashion-mnist-sample", "tiny-cnn", optimizer="adam", lr=0.01, epochs=2, out=tmp_path / "a",
                 dataset={"per_class": 20}, record={"every": 1, "predictions": True})  # fmt: skip
    run = done.run
    assert run.status == "done"
    assert run.info["weights_sha256"] == done.weights_sha256 == weights_sha256(done.model)
    assert run.info["parameters"] == 1586
    assert run.metric("validation/loss").steps.tolist() == [3, 6]
    assert run.metric("train/loss").epochs.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    assert done.test is not None
    assert run.metric("test/accuracy").last == done.test.accuracy
    q = run.array("test/probabilities")
    assert q.sum(1) == pytest.approx(np.ones(1000), abs=1e-5)
    assert (q.argmax(1) == run.array("test/labels")).mean() == pytest.approx(done.test.accuracy)
    assert (run.array("weights/conv1.weight") == done.model.get_parameter("conv1.weight").detach().numpy()).all()
    assert max(run.info["residual_roundings"].values()) <= 8
    assert run.array("statistics").shape[0] == 6


def test_the_same_configuration_gives_the_same_weights(tmp_path: Path) -> None:
    hashes = {
        train(
            "fashion-mnist-sample", "cnn2", epochs=1, seed=s, out=tmp_path / n, dataset={"per_class": 20}
        ).weights_sha256
        for n, s in (("a", 0), ("b", 0))
    }
    assert len(hashes) == 1


def test_watching_changes_no_bit_of_a_training(tmp_path: Path) -> None:
    plain, watched = (
        train(
            "fashion-mnist-sample",
            "lenet",
            epochs=1,
            out=tmp_path / str(n),
            dataset={"per_class": 20},
            record={"every": n},
        )
        for n in (0, 1)
    )
    assert plain.weights_sha256 == watched.weights_sha256


def test_loaded_data_a_module_and_dataloaders_are_taken_as_they_are(tmp_path: Path) -> None:
    data = load("fashion-mnist-sample", per_class=10)
    model = build("tiny-cnn", seed=3)
    before = weights_sha256(model)
    done = train(data, model, epochs=1, out=tmp_path / "a")
    assert done.model is model
    assert weights_sha256(model) != before
    assert done.run.config["model"]["name"] == "(Sequential)"
    loader = DataLoader(TensorDataset(data.train.images, data.train.labels), 32, shuffle=True)
    loaded = train((loader, None, loader), "tiny-cnn", epochs=1, out=tmp_path / "b")
    assert loaded.test is not None
    assert "validation/loss" not in loaded.run.metrics()


def test_a_loss_that_is_not_finite_fails_the_run_in_words_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    told = r"validation loss is not finite at step 3 \(epoch 1, .*smaller learning rate"
    with pytest.raises(TrainingError, match=told):
        train(
            "fashion-mnist-sample",
            "mlp",
            optimizer="sgd",
            lr=1e9,
            epochs=2,
            out=tmp_path / "a",
            dataset={"per_class": 20},
        )
    study = store.open_study(tmp_path / "a")
    assert (study.status, study.runs[0].status) == ("diverged", "diverged")
    assert len(study.runs[0].metric("train/loss").values) == 3
    assert study.runs[0].events()[0][0] == "diverged"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, None])
def test_stopping_in_the_middle_keeps_the_steps_and_marks_the_run_interrupted(
    tmp_path: Path, stop: type[BaseException] | None
) -> None:
    config = train_config({"dataset": SMALL, "model": "tiny-cnn", "epochs": 50, "record": {"every": 1}})
    try:
        with training(config, tmp_path / "a") as opened:
            for record in opened.records:
                if record.step == 5:  # type: ignore[union-attr]
                    if stop:
                        raise stop
                    break
    except KeyboardInterrupt:
        assert stop is KeyboardInterrupt
    study = store.open_study(tmp_path / "a")
    run = study.runs[0]
    assert run.status == "interrupted"
    assert run.metric("train/loss").steps.tolist() == [1, 2, 3, 4, 5]
    assert run.array("trace/steps").tolist() == [1, 2, 3, 4, 5]


def test_a_folder_in_use_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("my only copy")
    with pytest.raises(FolderInUse, match="is not empty and holds no study"):
        train("fashion-mnist-sample", "tiny-cnn", epochs=1, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_weight_decay_leaves_biases_alone_where_that_is_asked(tmp_path: Path) -> None:
    from passo.experiments.assembling import assemble, load_data

    config = train_config({"dataset": SMALL, "model": "tiny-cnn", "decay_biases": False,
                           "optimizer": {"name": "adamw", "weight_decay": 0.1}})  # fmt: skip
    parts = assemble(config, load_data(config))
    decays = {id(p): g["weight_decay"] for g in parts.optimizer.param_groups for p in g["params"]}
    told = {name: decays[id(p)] for name, p in parts.model.named_parameters()}
    assert told["conv1.weight"] == 0.1
    assert told["conv1.bias"] == 0


def test_the_averaged_weights_are_those_that_are_tested(tmp_path: Path) -> None:
    done = train(
        "fashion-mnist-sample", "tiny-cnn", epochs=1, average=0.9, out=tmp_path / "a", dataset={"per_class": 20}
    )
    plain = train("fashion-mnist-sample", "tiny-cnn", epochs=1, out=tmp_path / "b", dataset={"per_class": 20})
    assert isinstance(done.model, nn.Module)
    assert done.weights_sha256 != plain.weights_sha256
    drift = torch.stack(
        [(a - b).abs().max() for a, b in zip(done.model.parameters(), plain.model.parameters(), strict=True)]
    )
    assert 0 < drift.max() < 0.1


def test_settings_that_are_in_the_wrong_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set the options of `dataset` where they are loaded"):
        train(load("fashion-mnist-sample"), dataset={"per_class": 3}, out=tmp_path / "a")
    with pytest.raises(ConfigError, match="unknown key 'epoch'. Did you mean 'epochs'"):
        train("fashion-mnist-sample", epoch=3, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_biases_are_spared_from_the_decay_that_a_class_takes_by_itself() -> None:
    from passo.experiments.assembling import assemble, load_data

    config = train_config({"dataset": SMALL, "model": "tiny-cnn", "decay_biases": False, "optimizer": "adamw"})
    groups = assemble(config, load_data(config)).optimizer.param_groups
    assert sorted(group["weight_decay"] for group in groups) == [0, 0.01]


def test_whoever_stops_at_the_end_of_an_epoch_keeps_it_and_can_go_on_with_the_same_folder(tmp_path: Path) -> None:
    config = train_config({"dataset": SMALL, "model": "tiny-cnn", "epochs": 3})
    with training(config, tmp_path / "a") as opened:
        assert opened.steps == 9
        for record in opened.records:
            if record.end is not None:  # type: ignore[union-attr]
                break
    study = store.open_study(tmp_path / "a")
    assert study.status == "interrupted"
    assert len(study.runs[0].metric("validation/loss").values) == 1
    with training(config, tmp_path / "a") as opened:
        list(opened.records)
    assert store.open_study(tmp_path / "a").status == "done"


def test_what_was_loaded_is_written_into_the_configuration(tmp_path: Path) -> None:
    data = load("fashion-mnist-sample", per_class=20, validation=50, seed=7)
    config = train(data, "tiny-cnn", epochs=1, out=tmp_path / "a").run.config["dataset"]
    assert (config["per_class"], config["validation"], config["seed"]) == (20, 50, 7)


def test_a_plateau_schedule_without_a_validation_set_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a validation set"):
        train(
            "fashion-mnist-sample",
            "tiny-cnn",
            schedule="ReduceLROnPlateau",
            dataset={"validation": 0},
            out=tmp_path / "a",
        )
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"parameters": ["conv1.wieght"]},
            "record.parameters: unknown parameter 'conv1.wieght'. Did you mean 'conv1.w",
        ),
        ({"coordinates": {"conv1.wieght": 2}}, "record.coordinates: unknown watched parameter 'conv1.wieght'"),
        ({"coordinates": {"conv1.weight": [[99, 0, 0, 0]]}}, "record.coordinates: conv1.weight has no coordinate [99"),
        ({"every": 7}, "record.every records nothing: it begins at step 7, and this run has 6 steps"),
        ({"between": [7, 9]}, "record.between records nothing: it begins at step 7, and this run has 6 steps"),
        ({"snapshots": [1, 7]}, "record.snapshots asks for step 7, and this run has 6 steps"),
    ],
)
def test_what_a_run_cannot_record_is_refused_before_the_folder_is_made(record: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        train("fashion-mnist-sample", "tiny-cnn", epochs=2, dataset={"per_class": 20}, record={"every": 1, **record},
              out=tmp_path / "a")  # fmt: skip
    assert said in str(refused.value)
    assert not (tmp_path / "a").exists()


def test_a_snapshot_at_the_last_step_is_kept_where_every_reaches_no_step(tmp_path: Path) -> None:
    done = train("fashion-mnist-sample", "tiny-cnn", epochs=2, dataset={"per_class": 20}, out=tmp_path / "a",
                 record={"every": 1000, "snapshots": [6]})  # fmt: skip
    assert done.run.array("trace/steps").tolist() == [6]
    assert repr(done) == str(done)
    assert repr(done).startswith("<Trained tiny-cnn-adam-s0: test accuracy ") and str(tmp_path / "a") in repr(done)
    assert len(repr(done)) < 100 + len(str(tmp_path))


def test_batches_without_a_length_are_taken(tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
            return iter([(torch.randn(1, 28, 28), n % 10) for n in range(20)])

    done = train(DataLoader(Stream(), 10), "tiny-cnn", epochs=2, out=tmp_path / "a")
    assert done.run.metric("train/loss").epochs.tolist() == [1, 1, 2, 2]
