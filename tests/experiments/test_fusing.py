"""A study's trainings as one network: the same runs as one by one, and nothing lost where it is stopped."""

from __future__ import annotations

import os
import re
import signal
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo import store
from passo.experiments import fusing, study, together
from passo.experiments.assembling import load_data
from passo.experiments.eligible import eligible
from passo.experiments.keeping import Stop
from passo.experiments.members import Member
from passo.experiments.stages import Task, first_trainings
from passo.store import StoredStudy
from passo.training import TrainConfig

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = """
name = "small"
seeds = 2

[base]
dataset = { name = "fashion-mnist-sample", per_class = 12, validation = 0.25 }
model = { name = "mlp", hidden = [12] }
epochs = 3
batch_size = 16
record = { predictions = true }

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = 0.003 }

[[runs]]
name = "momentum"
optimizer = { name = "sgd", lr = 0.03, momentum = 0.9 }
schedule = { name = "StepLR", step_size = "1 epoch", gamma = 0.5 }
l2 = 0.001

[[runs]]
name = "dropped"
model = { name = "mlp", hidden = [12], dropout = 0.3 }
optimizer = { name = "ftrl", lr = 0.03 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


def same(one: StoredStudy, other: StoredStudy) -> None:
    """The same runs, metrics and arrays; numbers of single precision agree as far as it carries."""
    assert sorted(run.id for run in one.select()) == sorted(run.id for run in other.select())
    for run in one.select():
        twin = other.run(run.id)
        assert (run.metrics(), run.arrays(), run.config) == (twin.metrics(), twin.arrays(), twin.config)
        for name in run.metrics():
            a, b = run.metric(name), twin.metric(name)
            np.testing.assert_array_equal(a.steps, b.steps)
            np.testing.assert_array_equal(a.epochs, b.epochs)
            if name != "epoch/seconds":
                np.testing.assert_allclose(a.values, b.values, rtol=1e-3, atol=1e-5, err_msg=f"{run.id} {name}")
        for name in run.arrays():
            np.testing.assert_allclose(run.array(name), twin.array(name), rtol=2e-3, atol=2e-5, err_msg=name)
            assert run.meta(name) == twin.meta(name)
        told = {
            key: value for key, value in run.info.items() if key in ("best", "parameters", "steps_per_epoch", "task")
        }
        assert told.keys() == {"best", "parameters", "steps_per_epoch", "task"} <= twin.info.keys()
        assert (run.info.get("engine"), twin.info.get("engine")) == (None, "replicas")


def test_a_fused_study_is_the_study_run_one_by_one(file: Path, tmp_path: Path) -> None:
    alone = study(file).run(tmp_path / "alone", jobs=1)
    fused = study(file).run(tmp_path / "fused", jobs=1, executor="replicas")
    same(alone, fused)
    assert [len(fact["runs"]) for fact in fused.facts["executors"]] == [4, 2]  # with and without dropout
    assert fused.facts["alone"] == {} and not (tmp_path / "fused" / "pending").exists()


def test_auto_measures_and_says_what_it_took(file: Path, tmp_path: Path) -> None:
    there = study(file).run(tmp_path / "auto", jobs=1, executor="auto")
    assert there.status == "done" and len(there.select()) == 6
    for fact in there.facts["executors"]:
        quicker = fact["ms_together"] <= fact["ms_alone"]
        assert fact["executor"] == ("replicas" if quicker else "here")


def test_early_stopping_ends_each_replica_for_itself(file: Path, tmp_path: Path) -> None:
    settings = {"epochs": 8, "early_stopping": {"patience": 1, "min_delta": 0.02}}
    alone = study(file, settings).run(tmp_path / "alone", jobs=1)
    fused = study(file, settings).run(tmp_path / "fused", jobs=1, executor="replicas")
    same(alone, fused)
    lengths = {len(run.metric("train/loss").steps) for run in fused.select()}
    assert len(lengths) > 1
    for run in fused.select():
        assert [event[:3] for event in run.events()] == [event[:3] for event in alone.run(run.id).events()]


def test_a_replica_that_diverges_is_repeated_alone_and_says_why(file: Path, tmp_path: Path) -> None:
    file.write_text(TEXT.replace("lr = 0.003", "lr = 1e30"))
    fused = study(file).run(tmp_path / "fused", jobs=1, executor="replicas")
    alone = study(file).run(tmp_path / "alone", jobs=1)
    for seed in range(2):
        lost = fused.run(f"adam-s{seed}")
        assert (lost.status, lost.error) == ("diverged", alone.run(lost.id).error)
    assert sorted(run.id for run in fused.select()) == sorted(run.id for run in alone.select())


def tasks_of(file: Path, settings: Mapping[str, Any]) -> list[Task]:
    """Every training of a study, ordered by seed."""
    first = first_trainings(study(file, settings).file)
    return [Task("train", one.name, seed, {**one.settings, "seed": seed}) for seed in (0, 1) for one in first]


def test_a_group_that_is_stopped_goes_on_to_the_same_bits(file: Path, tmp_path: Path) -> None:
    tasks = [task for task in tasks_of(file, {"early_stopping": {"patience": 1}}) if task.name != "dropped"]
    data = load_data(TrainConfig.model_validate(tasks[0].settings))

    def made(folder: Path | None) -> fusing.Group:
        return fusing.Group([Member.of(task, data) for task in tasks], folder)

    whole, broken, stop = made(None), made(tmp_path), Stop()
    deque(whole.train(Stop()))
    wanted = {task.run_id: draft for task, draft in whole.results() if draft is not None}
    walk = broken.walk

    def pressed() -> Iterator[Any]:
        for record in walk():
            stop.asked = record.step == 9
            yield record

    broken.walk = pressed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        deque(broken.train(stop))
    again = made(tmp_path)
    deque(again.train(Stop()))
    found = {task.run_id: draft for task, draft in again.results() if draft is not None}
    assert found.keys() == wanted.keys() and len(found) == 4
    for run, draft in found.items():
        assert draft.facts["weights_sha256"] == wanted[run].facts["weights_sha256"]
        assert _scalars(draft) == _scalars(wanted[run])
    fusing.forget(tmp_path, tasks)
    assert not list(tmp_path.rglob("*.safetensors"))


def _scalars(draft: Any) -> list[Any]:
    return [call for call in draft.calls if call[0] == "scalars" and "epoch/seconds" not in call[1][2]]


def test_a_study_that_is_interrupted_in_a_group_keeps_it_and_repeats_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = fusing._columns, []

    def pressed(record: Any) -> Any:
        seen.append(record.step)
        if len(seen) == 9:
            raise KeyboardInterrupt
        return step(record)

    monkeypatch.setattr(fusing, "SECONDS", 0.0)  # a state after every step
    monkeypatch.setattr(fusing, "_columns", pressed)
    with pytest.raises(KeyboardInterrupt):
        study(file).run(tmp_path / "s", jobs=1, executor="replicas")
    assert store.open_study(tmp_path / "s").status == "interrupted"
    study(file).run(tmp_path / "s", jobs=1, executor="replicas")
    assert seen[9] == 9  # the step that was lost, and none before it
    same(study(file).run(tmp_path / "alone", jobs=1), store.open_study(tmp_path / "s"))


def test_a_group_that_was_begun_is_gone_on_with_whatever_auto_measures_now(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fusing._columns
    seen: list[int] = []

    def pressed(record: Any) -> Any:
        seen.append(record.step)
        if len(seen) == 9:
            raise KeyboardInterrupt
        return told(record)

    monkeypatch.setattr(fusing, "SECONDS", 0.0)
    monkeypatch.setattr(fusing, "_columns", pressed)
    with pytest.raises(KeyboardInterrupt):
        study(file).run(tmp_path / "s", jobs=1, executor="replicas")
    monkeypatch.setattr(together, "measured", lambda *_: pytest.fail("it was measured before"))
    there = study(file).run(tmp_path / "s", jobs=1, executor="auto")
    assert [fact["executor"] for fact in there.facts["executors"]] == ["replicas", "replicas"]
    assert seen[9] == 9


def test_ctrl_c_while_replicas_are_tested_ends_the_study_after_that_group(file: Path, tmp_path: Path) -> None:
    plain = study(file).running(tmp_path / "s", jobs=1, executor="replicas")
    next(one for one in plain if one.status == "done")  # the first of the group's results: others are still to come
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        list(plain)
    there = store.open_study(tmp_path / "s")
    assert (there.status, len(there.select())) == ("interrupted", 4)


REASONS: list[tuple[str, dict[str, Any], str]] = [
    ("a recording that goes by a clock", {"record": {"every": "auto"}}, "record.every=auto"),
    ("a recording of activations", {"record": {"every": 1, "activations": True}}, "record.activations"),
    ("averaged weights", {"average": 0.9}, "average=0.9"),
    ("accumulation", {"accumulate": 2}, "accumulate=2"),
    ("another optimizer", {"optimizer": {"name": "rprop", "lr": 0.01}}, "optimizer Rprop has no rule over rows"),
    ("Keras' Adam", {"optimizer": {"name": "keras-adam", "lr": 0.01}}, "optimizer Adam has no rule over rows"),
    ("another model", {"model": {"name": "gru", "hidden": 4}}, "not fused|cannot be traced|outside of its layers"),
    ("skipping", {"nonfinite": "skip"}, "nonfinite=skip"),
]


@pytest.mark.parametrize(("what", "settings", "told"), REASONS, ids=[one[0] for one in REASONS])
def test_what_is_not_fused_runs_alone_and_says_why(what: str, settings: dict[str, Any], told: str, file: Path) -> None:
    file.write_text(TEXT.split("[[runs]]")[0] + '[[runs]]\nname = "one"\n')
    groups, alone, _ = eligible(tasks_of(file, settings), load_data)
    assert groups == [] and set(alone) == {"one-s0", "one-s1"}
    assert all(re.search(told, reason) for reason in alone.values())
