"""The LR range test suggests, and leaves everything as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from passo.data import Batches, load
from passo.errors import ConfigError
from passo.experiments import lr_range
from passo.models import build
from passo.recording import watch
from passo.training import fit, weights_sha256


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    data = load("fashion-mnist-sample", validation=None)
    return data.train.images, data.train.labels


def test_the_next_training_is_what_it_would_have_been_without_the_test(
    images: tuple[torch.Tensor, torch.Tensor],
) -> None:
    hashes = []
    for tested in (True, False):
        torch.manual_seed(0)
        model = build("cnn2", seed=0)
        optimizer = torch.optim.Adam(model.parameters())
        lens = watch(optimizer, model)
        batches = Batches(*images, 64, generator=torch.Generator().manual_seed(1))
        if tested:
            lr_range(model, nn.CrossEntropyLoss(), optimizer, batches, lr_max=100)
            assert all(p.grad is None for p in model.parameters())
            assert not optimizer.state
            assert len(lens.steps) == 0
        list(fit(model, nn.CrossEntropyLoss(), optimizer, batches))
        hashes.append((weights_sha256(model), torch.rand(1).item()))
    assert hashes[0] == hashes[1]


def test_the_suggestion_trains_better_than_a_tenth_and_the_test_stops_when_it_diverges(
    images: tuple[torch.Tensor, torch.Tensor],
) -> None:
    model = build("mlp", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    batches = Batches(*images, 64, generator=torch.Generator().manual_seed(1))
    found = lr_range(model, nn.CrossEntropyLoss(), optimizer, batches, lr_min=1e-5, lr_max=1e3)
    assert found.diverged_at is not None
    assert found.diverged_at < 1e3
    assert found.lr.shape == found.loss.shape == found.smoothed.shape
    assert np.allclose(np.diff(np.log(found.lr)), np.diff(np.log(found.lr))[0])
    ends = {}
    for lr in (found.suggestion, found.suggestion / 100):
        net = build("mlp", seed=0)
        run = fit(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9), batches)
        ends[lr] = [r.end.train_loss for r in run if r.end is not None][-1]
    assert ends[found.suggestion] < 0.7 * ends[found.suggestion / 100]


def test_nonsense_limits_are_refused(images: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = build("line")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match="0 < lr_min < lr_max"):
        lr_range(model, nn.MSELoss(), optimizer, [], lr_min=1, lr_max=0.1)
    with pytest.raises(ConfigError, match="steps must be ≥ 10"):
        lr_range(model, nn.MSELoss(), optimizer, [], steps=3)
    with pytest.raises(ConfigError, match="not the model's"):
        lr_range(build("line"), nn.MSELoss(), optimizer, [])
