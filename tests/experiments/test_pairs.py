"""A study of two models: matched, every run made for both, what cannot be had left out, looks after the trainings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from passo import build, store
from passo.analysis.pair import configured, pair
from passo.data import load
from passo.data.confusing import most_confused
from passo.errors import ConfigError, StoreError
from passo.experiments import read_study, study
from passo.experiments.pairing import Pair
from passo.explaining import trained_model

TEXT = """
name = "two"
seeds = [3, 8]

[base]
dataset = { name = "fashion-mnist-sample", per_class = 12, validation = 0, seed = "run", classes = 4 }
optimizer = { name = "adam", lr = 0.01 }
batch_size = 16
epochs = 2
record = { predictions = true }

[pair]
first = "mlp"
second = { name = "cnn", filters = [2], units = [] }

[quick]
seeds = 1
leave = ["wide*", "confused"]

[[runs]]
name = "base"
parts = ["sizes", "robustness"]
schedule = "none"

[[runs]]
name = "size"
parts = ["sizes"]
optional = true
zip = { "dataset.per_class" = [6, 900], epochs = [3, 1] }

[[runs]]
name = "wider"
parts = ["exploration"]
choice = "parameters"
parameters = 4768
seeds = 1

[[runs]]
name = "kernel"
models = ["cnn"]
grid = { "model.kernel" = [5] }
seeds = 1

[[runs]]
name = "confused"
grid = { "dataset.classes" = ["2 most confused by base"] }
seeds = 1
"""
LOOKS = '[robustness]\nruns = ["base"]\nimages = 40\nstrengths = { shift = [1, 3] }\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(TEXT)
    return path


def test_every_run_is_made_for_both_models_unless_it_names_one(file: Path) -> None:
    ready = study(file).file
    assert [one.name for one in ready.configurations] == [
        "base-mlp", "base-cnn", "size,per_class=6,epochs=3-mlp", "size,per_class=6,epochs=3-cnn", "wider-mlp",
        "wider-cnn", "kernel,kernel=5-cnn", "confused,classes=2 most confused by base-mlp",
        "confused,classes=2 most confused by base-cnn",
    ]  # fmt: skip
    assert ready.count == 4 * 2 + 2 + 1 + 2


def test_the_models_of_a_run_have_as_many_parameters_as_its_budget_says(file: Path) -> None:
    ready = study(file).file
    for name, budget in (("base", None), ("wider", 4768)):
        counts = []
        for one in [one for one in ready.configurations if one.entry.name == name]:
            model = dict(ready.training(one, 3, {}).model.options)
            network = build(ready.training(one, 3, {}).model.name, (1, 28, 28), 4, **model)
            counts.append(sum(parameter.numel() for parameter in network.parameters()))
        assert max(counts) - min(counts) <= 0.02 * (budget or counts[1])
    second = next(one for one in ready.configurations if one.name == "base-cnn")
    assert ready.training(second, 3, {}).model.options["filters"] == [2], "the second stays as it is"


def test_what_the_data_cannot_give_is_left_out_with_the_reason(file: Path) -> None:
    left = study(file).file.left_out
    assert set(left) == {"size,per_class=900,epochs=1-mlp", "size,per_class=900,epochs=1-cnn"}
    assert all("per_class=900" in why and "300" in why for why in left.values())


def test_what_a_model_cannot_take_is_left_out_where_it_is_optional_and_refused_where_not(file: Path) -> None:
    text = TEXT.replace('"model.kernel" = [5]', '"model.pool" = [40]')
    file.write_text(text.replace('models = ["cnn"]', 'models = ["cnn"]\noptional = true'))
    assert "kernel,pool=40-cnn" in study(file).file.left_out
    file.write_text(TEXT.replace('"model.kernel"', '"model.kernal"'))
    with pytest.raises(ConfigError, match="kernal"):
        study(file)


def test_a_budget_that_cannot_be_met_leaves_out_what_is_optional(file: Path) -> None:
    file.write_text(TEXT.replace("parameters = 4768", "parameters = 5000\noptional = true"))
    left = study(file).file.left_out
    assert "closest that mlp can have is 4,738" in left["wider-mlp"] == left["wider-cnn"]


def test_two_models_of_one_name_are_told_apart() -> None:
    assert list(Pair(first="cnn", second={"name": "cnn", "norm": "batch"}).models) == ["cnn", "cnn-2"]  # type: ignore[arg-type]


def test_models_that_cannot_be_matched_are_refused_with_the_closest_counts(file: Path) -> None:
    text = TEXT.replace('first = "mlp"', 'first = "lenet"')
    file.write_text(text.replace('{ name = "cnn", filters = [2], units = [] }', '"tiny-cnn"'))
    with pytest.raises(ConfigError, match="lenet has 61,196 and no width to choose"):
        study(file)


def test_a_seed_of_the_run_draws_other_images_for_each_seed_and_the_same_for_both_models(file: Path) -> None:
    ready = study(file).file
    pairs = [(one, seed) for one in ready.configurations[:2] for seed in (3, 8)]
    drawn = {(one.name, seed): ready.training(one, seed, {}).dataset.seed for one, seed in pairs}
    assert drawn == {("base-mlp", 3): 3, ("base-mlp", 8): 8, ("base-cnn", 3): 3, ("base-cnn", 8): 8}
    one, other = (load("fashion-mnist-sample", per_class=12, seed=seed).train.index for seed in (3, 8))
    assert not np.array_equal(one, other)


def test_a_quick_form_lays_its_settings_over_the_file_and_is_refused_where_there_is_none(file: Path) -> None:
    quick = study(file, quick=True).file
    assert (quick.form, quick.seeds) == ("quick", (0,))
    assert {one.entry.name for one in quick.configurations} == {"base", "size", "kernel"}
    assert study(file, {"seeds": 2}, quick=True).file.seeds == (0, 1), "what is asked for lies over the quick form"
    with pytest.raises(ConfigError, match="no quick form"):
        read_study("width", quick=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> store.StoredStudy:
    folder = tmp_path_factory.mktemp("pair")
    (folder / "two.toml").write_text(TEXT + LOOKS)
    return study(folder / "two.toml").run(folder / "two", executor="replicas", jobs=1)


def test_a_finished_study_tells_its_pair_and_what_each_configuration_is_for(whole: store.StoredStudy) -> None:
    assert whole.status == "done" and not whole.facts["failed"]
    told = pair(whole)
    assert told.labels == ("mlp", "cnn") and told.difference <= told.within == 0.02
    assert [one.name for one in configured(whole, "sizes")][:2] == ["base-mlp", "base-cnn"]
    (wider, _) = configured(whole, entry="wider")
    assert (wider.choice, wider.model, dict(wider.varied)) == ("parameters", "mlp", {})
    (small, _) = configured(whole, entry="size")
    assert dict(small.varied) == {"dataset.per_class": 6, "epochs": 3}
    with pytest.raises(StoreError, match="no finished run of the part 'imbalance'"):
        configured(whole, "imbalance")


def test_seeds_that_draw_their_own_images_are_trained_as_one_network(whole: store.StoredStudy) -> None:
    together = [set(fact["runs"]) for fact in whole.facts["executors"] if fact["executor"] == "replicas"]
    assert {"base-cnn-s3", "base-cnn-s8"} in together
    for run in whole.select("base-cnn"):
        assert run.info["engine"] == "replicas" and run.info["data"]["seed"] == run.seed


def test_a_replica_on_its_own_images_ends_as_it_would_alone(
    whole: store.StoredStudy, tmp_path: Path, one_thread: None
) -> None:
    (tmp_path / "two.toml").write_text(TEXT)
    alone = study(tmp_path / "two.toml", {"leave": ["size", "wider", "kernel", "confused"]}).run(
        tmp_path / "alone", executor="here"
    )
    for run in whole.select("base-mlp"):
        ours, theirs = trained_model(run), trained_model(alone.run(run.id))
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, atol=2e-5)


def test_the_most_confused_classes_are_those_that_the_named_runs_confused(whole: store.StoredStudy) -> None:
    counts = np.zeros((4, 4), int)
    for name in ("base-mlp", "base-cnn"):
        for run in whole.select(name):
            for true, given in zip(run.array("test/labels"), run.array("test/probabilities").argmax(1), strict=True):
                counts[true, given] += 1
    expected = most_confused(counts, 2)
    (first, second) = configured(whole, entry="confused")
    for one in (first, second):
        assert whole.select(one.name)[0].config["dataset"]["classes"] == expected
    assert whole.facts["suggestions"]["2 most confused by base"] == expected


def test_robustness_is_measured_of_all_seeds_and_again_when_there_are_more(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TEXT + LOOKS)
    only = {"leave": ["size", "wider", "kernel", "confused"], "epochs": 1}
    first = study(tmp_path / "two.toml", {**only, "seeds": [3]}).run(tmp_path / "two", jobs=1)
    assert first.run("robustness-base-mlp").array("predicted/shift").shape == (1, 3, 40)
    again = study(tmp_path / "two.toml", {**only, "seeds": [3, 8]})
    done = [step.task.run_id for step in again.running(tmp_path / "two", jobs=1) if step.status == "done"]
    assert sorted(done) == ["base-cnn-s8", "base-mlp-s8", "robustness-base-cnn", "robustness-base-mlp"]
    found = store.open_study(tmp_path / "two").run("robustness-base-mlp")
    assert found.array("predicted/shift").shape == (2, 3, 40) and found.config["seeds"] == [3, 8]
    assert not list(study(tmp_path / "two.toml", {**only, "seeds": [3, 8]}).running(tmp_path / "two", jobs=1))


def test_what_was_to_be_looked_at_and_failed_says_so(tmp_path: Path) -> None:
    text = TEXT.replace('"adam", lr = 0.01', '"sgd", lr = 1e30')
    (tmp_path / "two.toml").write_text(text + LOOKS)
    only = {"leave": ["size", "wider", "kernel", "confused"], "seeds": [3]}
    steps = {step.task.run_id: step for step in study(tmp_path / "two.toml", only).running(tmp_path / "two", jobs=1)}
    assert steps["base-mlp-s3"].status == "diverged"
    assert steps["robustness-base-mlp"].error == "no run of base-mlp is done"
