"""Groups whose trainings end at different times, are recorded, are short of memory, or are interrupted at their end."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo import store
from passo.analysis.standing import standing
from passo.errors import CheckpointError, TrainingError
from passo.experiments import eligible as eligibility
from passo.experiments import fusing, study, together
from passo.experiments.assembling import load_data
from passo.experiments.eligible import eligible
from passo.experiments.keeping import Stop
from passo.experiments.members import Member
from passo.experiments.stages import Task, first_trainings
from passo.experiments.stems import stems
from passo.experiments.together import Measured
from passo.store import StoredRun
from passo.training import TrainConfig

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = """
name = "uneven"
seeds = 2

[base]
dataset = { name = "fashion-mnist-sample", per_class = 12, validation = 0.25 }
model = { name = "mlp", hidden = [12] }
batch_size = 16

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = 0.003 }
schedule = { name = "OneCycleLR", max_lr = 0.003 }

[[runs]]
name = "momentum"
optimizer = { name = "sgd", lr = 0.03, momentum = 0.9 }
clip_norm = 0.5
label_smoothing = 0.2

[[runs]]
name = "nadam"
optimizer = { name = "nadam", lr = 0.003, weight_decay = 0.01 }

[[runs]]
name = "adagrad"
optimizer = { name = "adagrad", lr = 0.01, initial_accumulator_value = 0.1 }
l2 = 0.001

[grid]
epochs = [2, 4]
"""
EPOCHS = {"grid": {"epochs": [1, 3, 4]}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "uneven.toml"
    path.write_text(TEXT)
    return path


def tasks_of(file: Path, settings: dict[str, Any] | None = None) -> list[Task]:
    """Every training, ordered by seed."""
    first = first_trainings(study(file, settings or {}).file)
    return [Task("train", one.name, seed, {**one.settings, "seed": seed}) for seed in (0, 1) for one in first]


def made(tasks: list[Task], folder: Path | None) -> fusing.Group:
    data = load_data(TrainConfig.model_validate(tasks[0].settings))
    return fusing.Group([Member.of(task, data) for task in tasks], folder)


def near(one: StoredRun, other: StoredRun, name: str) -> bool:
    """Arrays as near as single precision carries through a training, over their norm."""
    a, b = np.nan_to_num(one.array(name)), np.nan_to_num(other.array(name))
    same_gaps = np.array_equal(np.isnan(one.array(name)), np.isnan(other.array(name)))
    return same_gaps and bool(np.linalg.norm(a - b) <= 2e-3 * np.linalg.norm(b) + 1e-6)


def test_trainings_of_several_lengths_are_one_network_that_gets_smaller(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda *_: Measured(1.0, 1, 9.0))  # no clock cuts the group
    alone = study(file).run(tmp_path / "alone", jobs=1)
    fused = study(file).run(tmp_path / "fused", jobs=1, executor="replicas")
    assert [len(fact["runs"]) for fact in fused.facts["executors"]] == [16]
    for run in alone.select():
        twin = fused.run(run.id)
        longer = twin.id.replace("epochs=2", "epochs=4")
        begins = twin.id != longer and run.name != "adam,epochs=2"
        assert twin.info.get("beginning_of") == (longer if begins else None) and twin.info["replicas"] == 10
        epochs = 2 if "epochs=2" in run.id else 4
        assert twin.metric("validation/loss").epochs.tolist() == list(range(1, epochs + 1))
        for name in run.metrics():
            if name != "epoch/seconds":
                np.testing.assert_array_equal(run.metric(name).steps, twin.metric(name).steps)
                np.testing.assert_allclose(run.metric(name).values, twin.metric(name).values, rtol=2e-3, atol=1e-5)
    group = made(tasks_of(file), None)
    sizes = [len(group.engine.replicas)]
    take = group._take
    group._take = lambda record: (take(record), sizes.append(len(group._rows)))[0]  # type: ignore[method-assign]
    deque(group.train(Stop()))
    assert (sizes[1], sizes[-1]) == (10, 8)  # OneCycle alone looks at the length, so that both lengths are trained


def test_what_is_recorded_of_a_replica_is_what_is_recorded_of_it_alone(file: Path, tmp_path: Path) -> None:
    settings = {"base": {"record": {"every": 2, "path": 5, "snapshots": [3], "histograms": 8}}, **EPOCHS}
    alone = study(file, settings).run(tmp_path / "alone", jobs=1)
    fused = study(file, settings).run(tmp_path / "fused", jobs=1, executor="replicas")
    assert fused.facts["alone"] == {}
    for run in alone.select():
        twin = fused.run(run.id)
        assert sorted(run.arrays()) == sorted(twin.arrays()) and run.array("trace/steps").size
        for name in ("statistics", "trace", "path", "path/steps", "trace/lr", "trace/steps", "histograms/ends"):
            assert run.meta(name) == twin.meta(name) and near(twin, run, name), (run.id, name)
        whole = "snapshot/3/fc1.weight"
        stages = run.meta(whole)["stages"]
        for stage in ("theta", "grad_raw", "grad", "update"):
            a, b = (each.array(whole)[stages.index(stage)] for each in (run, twin))
            assert np.linalg.norm(a - b) <= 2e-3 * np.linalg.norm(a), (run.id, stage)
        assert twin.events() == run.events() == []  # a schedule that is asked for an epoch at once is no bad manner
        for watched in (run.info["watch"], twin.info["watch"]):
            assert watched["explained"] and max(watched["roundings"].values()) <= watched["bound"]
        assert run.info["watch"]["hyper"] == twin.info["watch"]["hyper"]


def test_recording_changes_no_bit_of_a_group(file: Path) -> None:
    def weights(settings: dict[str, Any]) -> list[Any]:
        group = made(tasks_of(file, settings), None)
        deque(group.train(Stop()))
        return [draft.facts["weights_sha256"] for _, draft in group.results() if draft is not None]

    assert weights({**EPOCHS, "base": {"record": {"every": 1, "path": 5}}}) == weights(EPOCHS)


def test_a_recorded_group_that_is_stopped_after_it_got_smaller_goes_on_to_the_same_bits(
    file: Path, tmp_path: Path
) -> None:
    recorded = {"every": 2, "path": 5, "coordinates": "moved:8"}
    tasks = tasks_of(file, {"base": {"record": recorded}, **EPOCHS})
    whole, broken, stop = made(tasks, None), made(tasks, tmp_path), Stop()
    deque(whole.train(Stop()))
    take = broken._take

    def pressed(record: Any) -> None:
        take(record)
        stop.asked = record.step == 10  # in the second of the epochs: those of one have gone

    broken._take = pressed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        deque(broken.train(stop))
    again = made(tasks, tmp_path)
    assert len(again._rows) == 16 < len(tasks)
    deque(again.train(Stop()))
    for (task, one), (_, other) in zip(whole.results(), again.results(), strict=True):
        assert one is not None and other is not None
        assert one.facts["weights_sha256"] == other.facts["weights_sha256"], task
        assert _arrays(one) == _arrays(other)


def _arrays(draft: Any) -> list[Any]:
    """What a draft writes, piece after piece, where pieces end left out."""
    found: dict[str, list[np.ndarray]] = {}
    for name, arguments, _ in draft.calls:
        pieces = {arguments[0]: arguments[1]} if name == "array" else arguments[0] if name == "chunk" else {}
        for key, value in pieces.items():
            found.setdefault(key, []).append(np.asarray(value[0] if isinstance(value, tuple) else value))
    return [(key, np.concatenate(values).tobytes()) for key, values in sorted(found.items())]


def test_a_study_that_is_stopped_while_a_group_is_written_trains_none_of_it_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda *_: Measured(1.0, 1, 9.0))
    running = study(file).running(tmp_path / "s", jobs=1, executor="replicas")
    next(one for one in running if one.status == "done")
    os.kill(os.getpid(), signal.SIGINT)
    results = fusing.Group.results

    def cut(group: fusing.Group, wanted: Any = None) -> Any:
        for number, one in enumerate(results(group, wanted)):
            if number == 3:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(fusing.Group, "results", cut)
    with pytest.raises(KeyboardInterrupt):
        study(file).run(tmp_path / "t", jobs=1, executor="replicas")
    assert len(store.open_study(tmp_path / "t").select()) == 3
    monkeypatch.setattr(fusing.Group, "results", results)
    monkeypatch.setattr(fusing.Group, "_take", lambda *_: pytest.fail("it was trained already"))
    with pytest.raises(KeyboardInterrupt):
        deque(running)
    there = study(file).run(tmp_path / "t", jobs=1, executor="replicas")
    assert len(there.select()) == 16 and not (tmp_path / "t" / "pending").exists()


def test_a_group_is_as_large_as_memory_lets_it_be_and_that_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = tasks_of(file)
    assert [len(group) for group in eligible(tasks, load_data).groups] == [16]
    monkeypatch.setattr(eligibility, "memory_left", lambda: 10_000_000)
    monkeypatch.setattr(eligibility, "memory", lambda *_: 1_000_000)
    found = eligible(tasks, load_data)
    assert sum(len(group) for group in found.groups) == 16
    for group in found.groups:
        assert sum(len(stems([task for task in group if task.seed == seed])) for seed in (0, 1)) <= 5
    assert found.notes == ["memory is short: at most 5 trainings of mlp as one network"]


@pytest.mark.parametrize(("each", "size"), [({16: 1.0, 8: 0.95}, 16), ({16: 1.0, 8: 0.5}, 8)])
def test_a_group_is_cut_where_fewer_replicas_are_quicker_by_a_tenth(
    each: dict[int, float], size: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda tasks, *_: Measured(each[len(tasks)], 1, 9.0))
    tasks = tasks_of(file)
    data = load_data(TrainConfig.model_validate(tasks[0].settings))
    assert together.cut(tasks, data, 1) == (size, Measured(each[size], 1, 9.0))


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_group_is_shared_out_by_configurations_or_by_seeds_long_and_short_together(parts: int, file: Path) -> None:
    tasks = tasks_of(file)
    for given in (tasks, [task for task in tasks if task.name == "adam,epochs=2"]):
        shares = together.shared_out(given, parts)
        alike = stems([task for task in given if task.seed == 0])
        assert len(shares) == max(1, min(parts, max(len(alike), 2), len(alike) * 2 // 2))  # none of one replica
        assert sorted(t.run_id for share in shares for t in share) == sorted(t.run_id for t in given)
        replicas = [len(stems([task for task in share if task.seed == share[0].seed])) for share in shares]
        assert max(replicas) - min(replicas) <= 1
        for stem in stems([task for task in given if task.seed == 0]):  # what begins alike stays together
            assert len({number for number, share in enumerate(shares) for task in stem if task in share}) == 1


def test_groups_train_side_by_side_and_say_how_far_they_are(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda *_: Measured(1.0, 1, 9.0))
    alone = study(file).run(tmp_path / "alone", jobs=1, executor="replicas")
    steps = list(study(file).running(tmp_path / "side", jobs=2, executor="replicas"))
    side = store.open_study(tmp_path / "side")
    assert sorted(len(fact["runs"]) for fact in side.facts["executors"]) == [6, 10]
    assert [step.status for step in steps if step.status != "running"] == ["chosen"] + ["done"] * 16
    assert steps[0].told == "16 trainings as 2 networks", "nothing is measured where nothing is chosen by it"
    done = [step.done for step in steps]
    assert all(0 <= number <= 16 for number in done) and done[-1] == 16
    for run in alone.select():
        twin = side.run(run.id)
        assert twin.info["threads"] == 1 and twin.info["replicas"] in (4, 6)
        np.testing.assert_allclose(
            run.metric("train/loss").values, twin.metric("train/loss").values, rtol=2e-3, atol=1e-5
        )
    assert not (tmp_path / "side" / "pending").exists()


@pytest.mark.slow
def test_a_group_whose_process_is_killed_runs_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda *_: Measured(1.0, 1, 9.0))
    longer = {"grid": {"epochs": [20], "batch_size": [4, 8]}, "dataset": {"per_class": 60}}
    running = study(file, longer).running(tmp_path / "s", jobs=2, executor="replicas")
    for step in running:
        if step.status == "running":
            worker = multiprocessing.active_children()[0]
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            break
    statuses = [step.status for step in running]
    there = store.open_study(tmp_path / "s")
    assert statuses.count("done") == 16 == len(there.select())
    assert [fact["failed"] for fact in there.facts["executors"] if "failed" in fact] == [
        "its process was ended from outside (SIGKILL, as where memory is short)"
    ]
    assert sorted(run.info.get("engine", "plain") for run in there.select()) == ["plain"] * 8 + ["replicas"] * 8


def test_a_group_that_cannot_be_measured_runs_alone_and_that_is_said(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Measured:
        raise TrainingError("it cannot be measured")

    monkeypatch.setattr(together, "measured", broken)
    steps = list(study(file, {"grid": {"epochs": [1]}}).running(tmp_path / "s", jobs=1, executor="auto"))
    assert steps[0].told == "8 trainings one by one, not as one network: it cannot be measured"
    assert [step.status for step in steps[1:]] == ["done"] * 8


def test_what_is_under_way_is_said_before_and_after_an_interruption(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda *_: Measured(1.0, 1, 9.0))
    take = fusing.Group._take

    def cut(group: fusing.Group, record: Any) -> None:
        take(group, record)
        if record.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(fusing.Group, "_take", cut)
    with pytest.raises(KeyboardInterrupt):
        study(file).run(tmp_path / "s", jobs=1, executor="replicas")
    told = standing(store.outline(tmp_path / "s"), 16).progress()
    assert told.endswith("16 are not written yet, with a network of them under way, whose state is kept.")
    monkeypatch.setattr(fusing.Group, "_take", take)
    steps = list(study(file).running(tmp_path / "s", jobs=1, executor="replicas"))
    assert steps[0].told == "going on with a network of 16 trainings that was begun"
    assert standing(store.outline(tmp_path / "s"), 16).progress() == "16 of 16 runs are done (100 %)."


def test_a_full_disk_ends_the_study_in_a_sentence_and_what_was_kept_before_goes_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "measured", lambda *_: Measured(1.0, 1, 9.0))
    monkeypatch.setattr(fusing, "SECONDS", 0.0)  # a state after every step
    keep, seen, take = fusing.save, list[int](), fusing.Group._take

    def full(path: Path, state: Any) -> None:
        if len(seen) == 9:
            raise CheckpointError("cannot write the checkpoint: no space left on device")
        keep(path, state)

    def counted(group: fusing.Group, record: Any) -> None:
        seen.append(record.step)
        take(group, record)

    monkeypatch.setattr(fusing, "save", full)
    monkeypatch.setattr(fusing.Group, "_take", counted)
    with pytest.raises(CheckpointError, match="no space left"):
        study(file).run(tmp_path / "s", jobs=1, executor="replicas")
    there = study(file).run(tmp_path / "s", jobs=1, executor="replicas")
    assert len(there.select()) == 16 and seen[:10] == [*range(1, 10), 9]


def test_why_trainings_run_alone_is_said_once_for_all_of_them(file: Path, tmp_path: Path) -> None:
    running = study(file, {"base": {"average": 0.9}}).running(tmp_path / "s", jobs=1, executor="auto")
    told = next(running)
    assert (told.status, told.told) == ("chosen", "16 trainings alone: average=0.9")
    running.close()


def test_what_auto_chose_once_is_not_measured_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def slow(tasks: list[Task], *_: Any) -> Measured:
        asked.append(len(tasks))
        return Measured(2.0, 1, 1.0)

    monkeypatch.setattr(together, "measured", slow)
    running = study(file).running(tmp_path / "s", jobs=1, executor="auto")
    told = next(running)
    assert (told.status, told.done) == ("chosen", 0) and "one by one" in told.told and "2 ms" in told.told
    next(running)
    running.close()
    seen, asked[:] = list(asked), []
    there = study(file).run(tmp_path / "s", jobs=1, executor="auto")
    assert seen and not asked and len(there.select()) == 16
    assert {fact["executor"] for fact in there.facts["executors"]} == {"here"}
