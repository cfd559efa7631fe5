"""What is explained of a run is that run's: its weights, its data, its very mini-batches; scaling and lines by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import passo
from passo.errors import StoreError, UsageError
from passo.experiments.assembling import assemble
from passo.explaining import first_epochs, fitted, fitted_line, run_config, run_data, scaled, trained_model
from passo.store import Store, open_study
from passo.training import train_config

SAMPLE = {"name": "fashion-mnist-sample", "per_class": 20}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> passo.experiments.Trained:  # type: ignore[name-defined]
    folder = tmp_path_factory.mktemp("explained") / "run"
    return passo.train("fashion-mnist-sample", "tiny-cnn", dataset=SAMPLE, epochs=1, batch_size=32, out=folder)


def test_a_run_s_model_answers_as_the_one_that_was_trained(trained) -> None:
    run = trained.run
    data, model = run_data(run), trained_model(run)
    x = data.test.images[:50]
    with torch.no_grad():
        assert torch.equal(model(x), trained.model.eval()(x))
    assert not model.training


def test_a_run_without_weights_or_of_the_caller_s_own_is_refused(tmp_path: Path, trained) -> None:
    config = trained.run.config
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        for name, changed in (
            ("none", config),
            ("own", {**config, "model": {"name": "(Mine)"}}),
            ("theirs", {**config, "dataset": {"name": "(loaders)"}}),
            ("other", config),
        ):
            run = study.add_run(name, config=changed)
            run.info(data={**trained.run.info["data"], "counts": {"train": 3}}, weights_sha256="0" * 64)
            if name == "other":
                run.array("weights/fc9.weight", np.zeros((2, 2)), shape=[2, 2])
            run.finish()
        study.add_run("surface", kind="surface", config={}).finish()
    there = open_study(tmp_path / "s")
    for name, said in (
        ("none", "kept no weights"),
        ("own", r"of the caller's own, \(Mine\)"),
        ("other", "not the weights of"),
    ):
        with pytest.raises((StoreError, UsageError), match=said):
            trained_model(there.run(name))
    for name, said in (
        ("none", "other counts"),
        ("theirs", "no name finds again"),
        ("surface", "no training of passo"),
    ):
        with pytest.raises((StoreError, UsageError), match=said):
            run_data(there.run(name))


@pytest.mark.parametrize(
    "changes",
    [{}, {"batch_size": 1}, {"batch_size": "all"}, {"sampling": "balanced"}, {"sampling": "sequential"}, {"seed": 5}],
)
def test_first_mini_batches_are_those_that_a_training_draws(changes: dict) -> None:
    config = train_config({"dataset": SAMPLE, "epochs": 2, "batch_size": 50, **changes})
    data = passo.load(**SAMPLE)
    found = first_epochs(config, data)
    real = assemble(config, data).train
    passes = [list(real), list(real)]
    for batch in found.batches:
        x, y = passes[batch.epoch - 1][batch.step - 1 - (batch.epoch - 1) * len(real)]
        assert torch.equal(data.train.images[torch.from_numpy(batch.index)], x)
        assert batch.labels.tolist() == y.tolist()
    assert found.counts.per_epoch == len(passes[0]) and found.counts.last == len(passes[0][-1][1])
    assert found.counts.steps == sum(map(len, passes))
    assert [batch.epoch for batch in found.batches][-1] == 2
    drawn = {tuple(image.flatten().tolist()) for x, _ in passes[0] for image in x}
    assert found.different == len(drawn) or len(drawn) < len({tuple(i.flatten().tolist()) for i in data.train.images})
    sizes = [one.batch_size for one in found.others()]
    assert sizes == sorted({1, found.counts.batch_size, len(data.train)})


def test_scaled_data_have_the_moments_and_the_numbers_that_a_training_reads() -> None:
    found = scaled(passo.load("fashion-mnist-sample"), image=7)
    assert [way.scaling.name for way in found.ways] == ["none", "normalize", "symmetric", "standardize"]
    assert found.used == "standardize" and found.corner is not None
    for way in found.ways:
        x = passo.load("fashion-mnist-sample", scale=way.scaling.name).train.images.double().numpy()
        for measured, told in ((x.mean(), way.mean), (x.std(), way.sd), (x.min(), way.low), (x.max(), way.high)):
            assert told == pytest.approx(np.array([measured]), abs=2e-5, rel=1e-5)
        edges = way.edges[0] - 1e-3 * np.diff(way.edges[0])[0]  # a value on an edge may round below it
        assert found.shares[0] == pytest.approx(np.histogram(x, edges)[0] / x.size, abs=1e-9)
        y, left = found.corner
        assert way.crop == pytest.approx(x[7, 0, y : y + 5, left : left + 5], abs=1e-5)
    crops = [x[7, 0, y : y + 5, left : left + 5].var() for y in range(24) for left in range(24)]
    y, left = found.corner
    assert x[7, 0, y : y + 5, left : left + 5].var() == pytest.approx(max(crops))


def table(path: Path, header: str, *columns: np.ndarray) -> Path:
    path.write_text("\n".join([header, *(",".join(map(repr, map(float, row))) for row in zip(*columns, strict=True))]))
    return path


def test_a_table_is_scaled_column_by_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = table(tmp_path / "t.csv", "a,b,y", rng.normal(5, 2, 90), rng.uniform(0, 1e4, 90), rng.normal(size=90))
    found = scaled(passo.load("csv", folder=file))
    assert found.series == ("a", "b") and found.image is None and found.shares.sum(1) == pytest.approx([1, 1])
    standard = next(way for way in found.ways if way.scaling.name == "standardize")
    assert standard.mean == pytest.approx([0, 0], abs=1e-12) and standard.sd == pytest.approx([1, 1])
    normal = next(way for way in found.ways if way.scaling.name == "normalize")
    assert normal.low == pytest.approx([0, 0]) and normal.high == pytest.approx([1, 1])


def test_a_line_s_distances_are_in_the_data_s_own_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(20, 90, 80)
    y = 3 + 0.2 * x + rng.normal(0, 1, 80)
    data = passo.load("csv", folder=table(tmp_path / "t.csv", "area,price", x, y))
    model = passo.build("line", (1,), 1, b=14.0, w=4.0)
    found = fitted(model, data, "training")
    raw, mean, sd = data.train.raw[:, 0], data.train.raw[:, 0].mean(), data.train.raw[:, 0].std()
    assert found.predicted == pytest.approx(14 + 4 * (raw - mean) / sd, rel=1e-5)
    assert (found.x_name, found.y_name) == ("area", "price") and np.array_equal(found.x, raw)
    truth = [float(t) - float(p) for t, p in zip(data.train.targets, found.predicted, strict=True)]
    assert found.mse == pytest.approx(sum(r * r for r in truth) / len(truth))
    assert found.mae == pytest.approx(sum(map(abs, truth)) / len(truth))
    middle = sum(data.train.targets) / len(truth)
    assert found.r2 == pytest.approx(1 - sum(r * r for r in truth) / sum((t - middle) ** 2 for t in data.train.targets))
    assert found.grid_y == pytest.approx(14 + 4 * (found.grid_x - mean) / sd, rel=1e-5)
    assert len(fitted(model, data).x) == len(data.test)


def test_a_line_needs_one_input_and_values(tmp_path: Path) -> None:
    data = passo.load("fashion-mnist-sample", validation=None)
    with pytest.raises(UsageError, match="predicts classes from inputs of"):
        fitted(passo.build("line"), data)
    with pytest.raises(UsageError, match="no validation part: choose training, test"):
        fitted(passo.build("line"), data, "validation")
    flat = fitted_line(1.0, 0.0, np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    assert flat.mse == 0 and np.isnan(flat.r2)


def test_the_configuration_that_explains_is_the_run_s(trained) -> None:
    config = run_config(trained.run)
    assert (config.model.name, config.batch_size, config.dataset.per_class) == ("tiny-cnn", 32, 20)
