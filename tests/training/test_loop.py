"""The loop, the step and evaluation."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from passo.data import Batches
from passo.errors import ConfigError, TrainingError
from passo.models import build
from passo.optim import make_optimizer, make_schedule
from passo.seeding import generator
from passo.training import StepRecord, evaluate, fit, train_step, weights_sha256


def _data(n: int = 96) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, 1, 28, 28, generator=g), torch.randint(0, 10, (n,), generator=g)


def _train(
    name: str = "adam", *, epochs: int = 2, seed: int = 0, model: str = "cnn2"
) -> tuple[nn.Module, list[StepRecord]]:
    x, y = _data()
    net = build(model, seed=seed)
    optimizer = make_optimizer(name, net.parameters())
    batches = Batches(x, y, 32, generator=generator(seed, "batches"))
    return net, list(fit(net, nn.CrossEntropyLoss(), optimizer, batches, epochs=epochs, seed=seed))


def test_the_loop_does_what_the_plain_loop_by_hand_does() -> None:
    x, y = _data()
    net = build("lenet", seed=3)
    optimizer = torch.optim.Adam(net.parameters())
    loss_fn = nn.CrossEntropyLoss()
    losses = []
    for bx, by in [
        pair for g in [generator(3, "batches")] for _ in range(2) for pair in Batches(x, y, 32, generator=g)
    ]:
        optimizer.zero_grad()
        loss = loss_fn(net(bx), by)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    mine, records = _train("adam", seed=3, model="lenet")
    assert [r.loss.item() for r in records] == losses
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), mine.parameters(), strict=True))


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    assert weights_sha256(_train(seed=1)[0]) == weights_sha256(_train(seed=1)[0])
    assert weights_sha256(_train(seed=1)[0]) != weights_sha256(_train(seed=2)[0])


def test_dropout_does_not_depend_on_what_others_draw() -> None:
    first, _ = _train(seed=1)
    torch.rand(1000)
    again, _ = _train(seed=1)
    assert weights_sha256(first) == weights_sha256(again)


def test_records_count_steps_and_epochs_from_one_and_end_each_epoch() -> None:
    _, records = _train(epochs=2)
    assert [(r.step, r.epoch, r.end is not None) for r in records] == [
        (1, 1, False), (2, 1, False), (3, 1, True), (4, 2, False), (5, 2, False), (6, 2, True),
    ]  # fmt: skip
    end = records[2].end
    assert end is not None
    assert end.train_loss == pytest.approx(sum(r.loss.item() for r in records[:3]) / 3)
    assert records[0].lr == 1e-3
    assert records[0].momentum == 0.9


def test_a_dataloader_trains_like_passos_batches() -> None:
    x, y = _data()
    hashes = []
    for batches in (
        Batches(x, y, 32, generator=torch.Generator().manual_seed(5)),
        DataLoader(TensorDataset(x, y), 32, shuffle=True, generator=torch.Generator().manual_seed(5)),
    ):
        net = build("tiny-cnn", seed=0)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in fit(net, nn.CrossEntropyLoss(), optimizer, batches, epochs=2, validation=batches):
            pass
        hashes.append(weights_sha256(net))
    assert hashes[0] == hashes[1]


def test_break_stops_the_training_where_it_is() -> None:
    x, y = _data()
    net = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for record in fit(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32), epochs=9):
        if record.step == 4:
            break
    assert record.step == 4


@pytest.mark.parametrize("name", ["lbfgs", "sgd", "rprop", "nadam", "adafactor"])
def test_optimizers_of_every_kind_go_through_the_same_loop(name: str) -> None:
    _, records = _train(name, model="tiny-cnn")
    assert torch.isfinite(torch.stack([r.loss for r in records])).all()


def test_a_schedule_is_stepped_by_the_loop_and_the_record_has_the_rate_that_was_used() -> None:
    x, y = _data()
    net = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    plan = make_schedule("StepLR", optimizer, epochs=3, steps_per_epoch=3, step_size=1, gamma=0.1)
    records = list(fit(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32), epochs=3, schedule=plan))
    assert [r.lr for r in records] == pytest.approx([1.0] * 3 + [0.1] * 3 + [0.01] * 3)


def test_a_schedule_on_another_optimizer_is_refused() -> None:
    x, y = _data()
    net = build("tiny-cnn", seed=0)
    optimizer, other = (torch.optim.SGD(net.parameters(), lr=0.1) for _ in range(2))
    with pytest.raises(ConfigError, match="optimizer"):
        next(
            fit(
                net,
                nn.CrossEntropyLoss(),
                optimizer,
                Batches(x, y, 32),
                schedule=torch.optim.lr_scheduler.StepLR(other, 1),
            )
        )


def test_an_empty_set_of_batches_is_an_error_and_not_an_empty_training() -> None:
    net = build("tiny-cnn", seed=0)
    with pytest.raises(TrainingError, match="epoch 1 has no batches"):
        list(fit(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1), []))


def test_evaluation_averages_over_samples_and_leaves_the_model_as_it_was() -> None:
    x, y = _data(50)
    net = build("cnn2", seed=0)
    net.train()
    net.get_submodule("drop1").eval()
    found = evaluate(net, nn.CrossEntropyLoss(), Batches(x, y, 32, shuffle=False), keep=True)
    assert net.training
    assert not net.get_submodule("drop1").training
    net.eval()
    with torch.no_grad():
        out = net(x)
    assert found.loss == pytest.approx(nn.functional.cross_entropy(out, y).item(), rel=1e-5)
    assert found.accuracy == pytest.approx((out.argmax(1) == y).float().mean().item())
    assert found.outputs is not None
    assert torch.allclose(found.outputs, out, atol=1e-5)


def test_a_regression_has_a_loss_and_no_accuracy() -> None:
    x = torch.linspace(0, 1, 20)[:, None]
    found = evaluate(build("line"), nn.MSELoss(), [(x, 2 * x)])
    assert found.accuracy is None
    assert found.loss == pytest.approx((4 * x**2).mean().item())


def test_clipping_bounds_the_gradient_norm() -> None:
    x, y = _data(32)
    net = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    train_step(net, nn.CrossEntropyLoss(), optimizer, 100 * x, y, clip_norm=0.5)
    norm = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-3)
