"""Which examples each step of a training drew, worked out again from its seed: the very ones, at every step."""

from pathlib import Path

import pytest

import passo
from passo.errors import UsageError
from passo.experiments.assembling import assemble
from passo.experiments.run import records_of
from passo.explaining import Order, first_epochs
from passo.figures.epochs import draw_epochs, sizes_table, told_epochs
from passo.training import Progress, train_config

SAMPLE = {"name": "fashion-mnist-sample", "per_class": 20}


@pytest.mark.parametrize("changes", [{}, {"sampling": "balanced"}, {"sampling": "sequential"}, {"batch_size": "all"},
                                     {"accumulate": 3}])  # fmt: skip
def test_every_step_s_examples_are_those_that_the_training_saw(changes: dict, tmp_path: Path) -> None:
    config = train_config({"dataset": SAMPLE, "epochs": 3, "batch_size": 50, "model": {"name": "tiny-cnn"}, **changes})
    data = passo.load(**SAMPLE)
    order = Order(config, data)
    seen = {}
    for record in records_of(config, assemble(config, data), None, Progress()):
        seen[record.step] = [int(one) for places in record.positions for one in places]
    assert len(seen) == 3 * order.per_epoch
    for step in (max(seen), 1, *seen):  # in any order
        batch = order.batch(step)
        assert batch.index.tolist() == seen[step]
        assert batch.labels.tolist() == data.train.labels[batch.index].tolist()
        assert batch.epoch == (step - 1) // order.per_epoch + 1


@pytest.mark.parametrize("step", [0, -1, 25])
def test_a_step_that_there_is_not_is_refused(step: int) -> None:
    config = train_config({"dataset": SAMPLE, "epochs": 2, "batch_size": 50, "model": {"name": "tiny-cnn"}})
    with pytest.raises(UsageError, match="this run has steps 1 to"):
        Order(config, passo.load(**SAMPLE)).batch(step)


def test_a_step_of_several_mini_batches_is_counted_and_told_as_one_step() -> None:
    config = train_config({"dataset": SAMPLE, "epochs": 2, "batch_size": 50, "accumulate": 3})
    data = passo.load(**SAMPLE)  # 180 examples: 4 mini-batches, of 50, 50, 50 and 30
    found = first_epochs(config, data)
    assert (found.counts.batches, found.counts.per_epoch, found.counts.steps, found.counts.last_step) == (4, 2, 4, 30)
    assert [(one.step, one.epoch, len(one.index)) for one in found.batches] == [(1, 1, 150), (2, 1, 30), (3, 2, 150)]
    order = Order(config, data)
    assert all(one.index.tolist() == order.batch(one.step).index.tolist() for one in found.batches)
    assert "in 4 mini-batches of 50, the last of 30; 3 mini-batches make one iteration" in told_epochs(found, "it")
    assert "2 steps in an epoch, 4 in 2 epochs" in told_epochs(found, "it")
    (mine,) = [row for row in sizes_table(found).rows if "(this run)" in row[0]]
    assert mine[1:] == ("3 × 50", "2", "30", "4")
    drawn = draw_epochs(found, data.train.raw, "it")
    assert "of 3 mini-batches" in drawn.caption and "over after 2 of them" in drawn.caption
