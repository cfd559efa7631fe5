"""The published note's runs side by side: what is shared is what would have been trained; what is cut goes on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from passo import data
from passo.errors import FolderInUse, UnknownName, UsageError
from passo.experiments import replication
from passo.experiments.replication import Course, EpochDone, Passes, replicate
from passo.store import open_study
from passo.studies.published import published_note

ADAMS = ("20-epochs-adam", "20-epochs-adam-step", "20-epochs-adam-lambda")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> data.Data:
    """The embedded sample in the place of all of Fashion-MNIST: 500 images, 8 steps an epoch."""
    found = data.load("fashion-mnist-sample", per_class=50, validation=None, scale="symmetric")
    monkeypatch.setattr(replication, "load", lambda *_, **__: found)
    return found


def values(folder: Path, run: str, metric: str = "validation/loss") -> list[float]:
    return open_study(folder).run(run).metric(metric).values.tolist()


def alone(run: str, epochs: int, passes: Passes) -> list[float]:
    """The validation losses of a run that shares nothing."""
    course = Course(published_note().chosen([run])[0], len(passes.train))
    losses = []
    for _ in range(epochs):
        course.train(passes)
        losses.append(course.values["validation/loss"])
    return losses


def test_what_is_shared_equals_a_run_of_its_own_bit_for_bit(small: data.Data, tmp_path: Path) -> None:
    done = list(replicate(tmp_path / "s", runs=ADAMS, epochs=5))
    shared = {(one.run, one.epoch): one.shared for one in done}
    step, fading = ADAMS[1:]
    assert [shared[step, epoch] for epoch in range(1, 6)] == ["20-epochs-adam"] * 3 + [None] * 2
    assert [shared[fading, epoch] for epoch in range(1, 6)] == ["20-epochs-adam"] + [None] * 4
    for run in ADAMS:
        assert values(tmp_path / "s", run) == alone(run, 5, Passes.of(small))


def test_learning_rates_are_the_published_ones(small: data.Data, tmp_path: Path) -> None:
    assert len(list(replicate(tmp_path / "s", runs=ADAMS[1:], epochs=5))) == 10
    for run in published_note().chosen(ADAMS[1:]):
        rates = np.round(values(tmp_path / "s", run.name, "lr"), 6)
        assert rates.tolist() == list(run.printed["lr"][:5])


def test_all_runs_share_what_they_can_and_are_done(small: data.Data, tmp_path: Path) -> None:
    done = list(replicate(tmp_path / "s", epochs=1))
    assert sum(one.shared is None for one in done) == 5  # sgd, momentum, nesterov, adam, adam of the 20 epochs
    assert open_study(tmp_path / "s").status == "interrupted"
    short = ["optimisers-sgd", "10-epochs-sgd"]
    rest = list(replicate(tmp_path / "s", runs=short))
    assert len(rest) == 9 * len(short)
    there = open_study(tmp_path / "s")
    assert {run.name for run in there.runs if run.status == "done"} == set(short)
    assert there.status == "interrupted"


def test_an_interrupted_replication_goes_on_to_the_same_bits_and_trains_nothing_twice(
    small: data.Data, tmp_path: Path
) -> None:
    whole = list(replicate(tmp_path / "whole", runs=ADAMS, epochs=4))
    cut = replicate(tmp_path / "cut", runs=ADAMS, epochs=4)
    first: list[EpochDone] = [next(cut) for _ in range(7)]  # two epochs of all, and one run's third
    cut.close()  # type: ignore[attr-defined]
    torch.manual_seed(5)  # whatever happens in between
    rest = list(replicate(tmp_path / "cut", runs=ADAMS, epochs=4))
    assert [(one.run, one.epoch) for one in (*first, *rest)] == [(one.run, one.epoch) for one in whole]
    assert [one.shared for one in (*first, *rest)] == [one.shared for one in whole]
    for run in ADAMS:
        for metric in ("epoch/train_loss", "validation/loss", "validation/accuracy", "lr"):
            assert values(tmp_path / "cut", run, metric) == values(tmp_path / "whole", run, metric)


def test_the_callers_random_state_and_threads_are_left_as_they_were(small: data.Data, tmp_path: Path) -> None:
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    list(replicate(tmp_path / "s", runs=["optimisers-sgd"], epochs=1, threads=2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_other_threads_do_not_go_on_with_what_one_thread_began(small: data.Data, tmp_path: Path) -> None:
    list(replicate(tmp_path / "s", runs=["optimisers-sgd"], epochs=1))
    with pytest.raises(FolderInUse, match="another configuration"):
        list(replicate(tmp_path / "s", runs=["optimisers-sgd"], threads=2))


def test_wrong_words_are_refused_before_a_folder_is_made(small: data.Data, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="optimisers-adam"):
        list(replicate(tmp_path / "s", runs=["optimizers-adam"]))
    with pytest.raises(UsageError, match="epochs must be ≥ 1"):
        list(replicate(tmp_path / "s", epochs=0))
    assert not (tmp_path / "s").exists()
