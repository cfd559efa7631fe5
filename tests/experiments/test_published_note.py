"""The published Fashion-MNIST note, digit for digit: the same network, data and random stream.

Published: Conv2d(1, 1, 5) → ReLU → MaxPool2d(2) → Linear(144, 10) → ReLU → Linear(10, 10), SGD with lr 0.01, weights
drawn after seed 17, everything else after seed 42 from torch's default generator, in the order of the passes.
"""

import pytest
import torch
from torch import Tensor, nn

from passo.data import Batches, load
from passo.errors import DataNotFound
from passo.models import build
from passo.seeding import seed_everything
from passo.training import evaluate, fit

# train loss, validation loss, train accuracy, validation accuracy: as printed by the note, plain SGD
PUBLISHED = [(1.0177, 0.7229, 0.7361, 0.7252), (0.6717, 0.6484, 0.7637, 0.7534), (0.6234, 0.6797, 0.7555, 0.7447)]


def _mean_of_batches(model: nn.Module, batches: Batches) -> tuple[float, float]:
    """The note averages batch losses; its accuracy counts images."""
    losses, right, count = [], 0.0, 0
    for x, y in batches:
        found = evaluate(model, nn.CrossEntropyLoss(), [(x, y)])
        assert found.accuracy is not None
        losses.append(found.loss)
        right, count = right + found.accuracy * len(y), count + len(y)
    return sum(losses) / len(losses), right / count


def _whole(split: object) -> tuple[Tensor, Tensor]:
    return split.images, split.labels  # type: ignore[attr-defined]


@pytest.mark.full_data
def test_plain_sgd_repeats_the_published_epochs_in_every_printed_digit() -> None:
    try:
        data = load("fashion-mnist", validation=None, scale="symmetric")
    except DataNotFound as missing:
        pytest.skip(str(missing))
    torch.manual_seed(17)
    model = build("tiny-cnn")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    seed_everything(42)
    train = Batches(*_whole(data.train), 64, weights="balanced")  # no generator: torch's default one
    test = Batches(*_whole(data.test), 64, shuffle=False)
    seen = []
    for _ in PUBLISHED:
        (record,) = [r for r in fit(model, nn.CrossEntropyLoss(), optimizer, train) if r.end is not None]
        assert record.end is not None
        validation_loss, _ = _mean_of_batches(model, test)
        _, train_accuracy = _mean_of_batches(model, train)
        _, validation_accuracy = _mean_of_batches(model, test)
        seen.append((record.end.train_loss, validation_loss, train_accuracy, validation_accuracy))
    assert [tuple(round(v, 4) for v in epoch) for epoch in seen] == PUBLISHED
