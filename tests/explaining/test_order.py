"""Which examples each step of a training drew, worked out again from its seed: the very ones, at every step."""

from pathlib import Path

import pytest

import passo
from passo.errors import UsageError
from passo.experiments.assembling import assemble
from passo.experiments.run import records_of
from passo.explaining import Order
from passo.training import Progress, train_config

SAMPLE = {"name": "fashion-mnist-sample", "per_class": 20}


@pytest.mark.parametrize("changes", [{}, {"sampling": "balanced"}, {"sampling": "sequential"}, {"batch_size": "all"},
                                     {"accumulate": 3}])  # fmt: skip
def test_every_step_s_examples_are_those_that_the_training_saw(changes: dict, tmp_path: Path) -> None:
    config = train_config({"dataset": SAMPLE, "epochs": 3, "batch_size": 50, "model": {"name": "tiny-cnn"}, **changes})
    data = passo.load(**SAMPLE)
    order = Order(config, data, config.accumulate)
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
