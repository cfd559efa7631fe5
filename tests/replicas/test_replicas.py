"""What surrounds parity: neighbours, endings, going on, other tasks, single precision, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from twins import BATCH, CLASSES, EPOCHS, SHAPE, STEPS, alone, apart, replica, together

import passo
from passo.data import Batches, Together
from passo.errors import ConfigError
from passo.models import MODELS
from passo.replicas import NotFused, NotStepped, Replica, Replicas
from passo.replicas.network import Fused
from passo.training import Progress


def trained(replicas: list[Replica], *seeds: int, loss_fn: nn.Module | None = None) -> Replicas:
    engine = Replicas(replicas, loss_fn or nn.CrossEntropyLoss())
    for _ in engine.fit(together(*seeds), EPOCHS):
        pass
    engine.put()
    return engine


def lenets(lrs: list[float], seeds: list[int]) -> list[Replica]:
    made = [(passo.build("lenet", SHAPE, CLASSES, seed=seed), lr, seed) for seed in seeds for lr in lrs]
    return [replica(model, "adam", {"lr": lr}, seed) for model, lr, seed in made]


def test_a_replica_does_not_depend_on_how_many_neighbours_it_has_or_in_which_order() -> None:
    (single,) = (r := lenets([3e-4], [3]))
    trained(r, 3)
    for lrs, seeds in (([1e-3, 3e-4], [3]), ([3e-4, 1e-3, 1e-2], [8, 3]), ([3e-4], [3, 8, 1])):
        several = lenets(lrs, seeds)
        trained(several, *seeds)
        (twin,) = (one for one in several if one.seed == 3 and one.optimizer.param_groups[0]["lr"] == 3e-4)
        assert apart(twin.model, single.model) < 1e-9


def test_a_replica_that_diverges_keeps_its_last_weights_and_touches_nobody() -> None:
    (single,) = (r := lenets([3e-4], [3]))
    trained(r, 3)
    lost, other = lenets([1e200, 3e-4], [3])
    twin = replica(passo.build("lenet", SHAPE, CLASSES, seed=3), "adam", {"lr": 1e200}, 3)
    engine = Replicas([lost, other], nn.CrossEntropyLoss())
    records = list(engine.fit(together(3), EPOCHS))
    engine.put()
    (ended,) = [record for record in records if record.diverged]
    assert ended.diverged == [0] and engine.ended == {0: ended.step - 1}
    assert all(torch.isnan(record.loss[0]) == (record.step >= ended.step) for record in records)
    assert apart(other.model, single.model) < 1e-9
    x, y = together(3)[0]
    for _ in range(ended.step - 1):  # its first step leads out: the weights after it are finite or not, but kept
        loss = nn.CrossEntropyLoss()(twin.model(x[0]), y[0])
        twin.optimizer.zero_grad()
        loss.backward()
        twin.optimizer.step()
    assert ended.step == 2
    for a, b in zip(lost.model.parameters(), twin.model.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, equal_nan=True)


def test_a_replica_that_is_told_to_end_stays_where_it_is() -> None:
    first, second = lenets([1e-3, 3e-4], [3])
    engine = Replicas([first, second], nn.CrossEntropyLoss())
    kept: dict[str, Tensor] = {}
    for record in engine.fit(together(3), EPOCHS):
        if record.step == STEPS:
            engine.end(0, record.step)
            kept = {name: tensor.clone() for name, tensor in first.model.state_dict().items()}
    engine.put()
    (twin,) = (r := lenets([1e-3], [3]))
    alone(twin, nn.CrossEntropyLoss(), [(x[0], y[0]) for x, y in together(3)], epochs=1)
    assert apart(first.model, twin.model) < 1e-9 and r
    assert all(torch.equal(tensor, kept[name]) for name, tensor in first.model.state_dict().items())


def test_batch_normalisation_is_each_replicas_own_with_its_running_statistics() -> None:
    def made() -> list[Replica]:
        options: dict[str, Any] = {"filters": [3, 4], "units": [5], "norm": "batch", "dropout2d": 0.2}
        return [
            replica(passo.build("cnn", SHAPE, CLASSES, seed=seed, **options), "sgd", {"lr": lr, "momentum": 0.9}, seed)
            for seed in (3, 8)
            for lr in (0.01, 0.001)
        ]

    fused, plain = made(), made()
    engine = trained(fused, 3, 8)
    batches = {seed: [(x[place], y[place]) for x, y in together(3, 8)] for place, seed in enumerate((3, 8))}
    for one, other in zip(fused, plain, strict=True):
        alone(other, nn.CrossEntropyLoss(), batches[other.seed])
        assert apart(one.model, other.model) < 1e-9
    for row, seen in enumerate(engine.evaluate(batches[3])):
        found = passo.evaluate(plain[row].model, nn.CrossEntropyLoss(), batches[3])
        assert (seen.accuracy, seen.count) == (found.accuracy, found.count)
        assert seen.loss == pytest.approx(found.loss, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("autoencoder", {"hidden": [6], "bottleneck": 2}, SHAPE),
        ("autoencoder", {"kind": "convolutional", "filters": [2, 3], "bottleneck": 2, "norm": "batch"}, SHAPE),
        ("line", {}, (1,)),
    ],
)
def test_outputs_of_any_shape_are_held_against_targets(
    name: str, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    def made() -> list[Replica]:
        return [
            replica(passo.build(name, shape, 1, seed=place, **options), "adam", {"lr": lr}, 0)
            for place, lr in enumerate((1e-3, 1e-4))
        ]

    x = torch.randn(STEPS, BATCH, *shape, generator=torch.Generator().manual_seed(0))
    fused, plain = made(), made()
    engine = Replicas(fused, nn.MSELoss())
    for _ in engine.fit([(one[None], one[None]) for one in x], EPOCHS):
        pass
    engine.put()
    for one, other in zip(fused, plain, strict=True):
        alone(other, nn.MSELoss(), [(one, one) for one in x])
        assert apart(one.model, other.model) < 1e-9


@pytest.mark.parametrize(
    "loss_fn",
    [
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64)),
        nn.CrossEntropyLoss(torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64), label_smoothing=0.3),
    ],
)
def test_weights_of_classes_and_smoothing_are_torchs(loss_fn: nn.Module) -> None:
    one, other = (lenets([1e-3], [3])[0] for _ in range(2))
    trained([one], 3, loss_fn=loss_fn)
    alone(other, loss_fn, [(x[0], y[0]) for x, y in together(3)])
    assert apart(one.model, other.model) < 1e-9


def test_smoothing_and_dropout_are_each_replicas_own() -> None:
    def made(p: float, smoothing: float) -> Replica:
        model = passo.build("mlp", SHAPE, CLASSES, seed=1, hidden=[9], dropout=p)
        return replica(model, "adam", {}, 3, smoothing=smoothing)

    wanted = [(0.1, 0.0), (0.5, 0.2), (0.3, 0.4)]
    fused = [made(*one) for one in wanted]
    trained(fused, 3)
    for one, (p, smoothing) in zip(fused, wanted, strict=True):
        other = made(p, smoothing)
        alone(other, nn.CrossEntropyLoss(label_smoothing=smoothing), [(x[0], y[0]) for x, y in together(3)])
        assert apart(one.model, other.model) < 1e-9


def test_it_goes_on_from_its_state_to_the_same_bits() -> None:
    x, y = torch.randn(40, *SHAPE), torch.randint(CLASSES, (40,))

    def made() -> tuple[Replicas, Together]:
        models = [passo.build("cnn", SHAPE, CLASSES, seed=k, filters=[3], units=[4], norm="batch") for k in range(4)]
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("nadam", {}),
            ("sgd", {"momentum": 0.9}),
            ("ftrl", {}),
            ("rmsprop", {"centered": True}),
        ]
        replicas = [
            replica(model, *kind, seed=k // 2) for k, (model, kind) in enumerate(zip(models, kinds, strict=True))
        ]
        generators = [torch.Generator().manual_seed(k) for k in range(2)]
        return Replicas(replicas, nn.CrossEntropyLoss()), Together([Batches(x, y, 7, generator=g) for g in generators])

    whole, batches = made()
    wanted = [record.loss.tolist() for record in whole.fit(batches, 3)]
    broken, batches = made()
    progress = Progress()
    for record in broken.fit(batches, 3, progress=progress):
        if record.step == 8:  # in the middle of the second pass
            break
    kept = _copied(broken.state())
    where = progress.state(batches)
    again, batches = made()
    again.load_state(kept)
    progress = Progress.of(where, torch.device("cpu"))
    found = [record.loss.tolist() for record in again.fit(batches, 3, progress=progress)]
    assert found == wanted[8:]
    assert all(torch.equal(a, b) for a, b in zip(again.sheets, whole.sheets, strict=True))


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["mlp", "tiny-cnn", "lenet", "cnn2", "cnn"])
def test_gradients_in_single_precision_are_those_in_double_to_1e_5(name: str) -> None:
    options = {"dropout": 0.0} if name == "cnn2" else {}
    models = [passo.build(name, (1, 28, 28), 10, seed=k, **options) for k in range(4)]
    torch.manual_seed(1)  # images of which none lies so near to a kink of ReLU or pooling that its side is rounding
    x, y = torch.randn(2, 64, 1, 28, 28), torch.randint(10, (4, 64))
    grads = []
    for dtype in (torch.float64, torch.float32):
        net = Fused([model.to(dtype) for model in models], [0, 1])
        output = net(x.to(dtype))
        nn.functional.cross_entropy(output.flatten(0, 1), y.flatten(), reduction="sum").backward()
        grads.append([sheet.values.grad for sheet in net.sheets])
    for double, single in zip(*grads, strict=True):
        assert double is not None and single is not None
        for row in range(4):
            assert float((single[row].double() - double[row]).norm() / double[row].norm()) < 1e-5


class Strange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.w


class Added(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.one(x)


REFUSED: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softplus()), "layer 1 is a Softplus, which is not fused"),
    (
        lambda: nn.Sequential(nn.Conv2d(1, 1, 3, padding_mode="circular")),
        r"layer 0 \(Conv2d\) has padding_mode='circular'",
    ),
    (lambda: nn.Sequential(nn.BatchNorm1d(2, momentum=None)), r"layer 0 \(BatchNorm1d\) has momentum=None"),
    (lambda: nn.Sequential(nn.Linear(2, 2), Strange()), "^layer 1 is a Strange, which is not fused$"),
    (Added, "Added computes .*add.* outside of its layers"),
    (lambda: passo.build("gru", (28, 28), 10), "is a GRU, which is not fused|cannot be traced|outside of its layers"),
]


@pytest.mark.parametrize(("made", "told"), REFUSED)
def test_a_model_with_anything_else_is_refused_by_the_name_of_its_layer(
    made: Callable[[], nn.Module], told: str
) -> None:
    with pytest.raises(NotFused, match=told):
        Fused([made()], [0])


class Own(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.flat, self.head = nn.Flatten(), nn.Linear(2 * 36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flat(self.body(x)))


def test_a_model_of_the_users_own_out_of_such_layers_is_fused() -> None:
    fused, plain = ([replica(Own(seed), "adam", {}, 3) for seed in (1, 2)] for _ in range(2))
    trained(fused, 3)
    for one, other in zip(fused, plain, strict=True):
        alone(other, nn.CrossEntropyLoss(), [(x[0], y[0]) for x, y in together(3)])
        assert apart(one.model, other.model) < 1e-9


def test_what_does_not_belong_together_is_refused() -> None:
    small, large = (replica(passo.build("mlp", SHAPE, CLASSES, hidden=[n]), "adam", {}, 0) for n in (4, 5))
    with pytest.raises(ConfigError, match="one architecture"):
        Replicas([small, large], nn.CrossEntropyLoss())
    three = [replica(passo.build("mlp", SHAPE, CLASSES, hidden=[4]), "adam", {}, seed) for seed in (0, 0, 1)]
    with pytest.raises(ConfigError, match="ordered by their seed"):
        Replicas(three, nn.CrossEntropyLoss())
    model = passo.build("mlp", SHAPE, CLASSES, hidden=[4])
    with pytest.raises(NotStepped, match="Rprop has no rule"):
        Replicas([Replica(model, torch.optim.Rprop(model.parameters()))], nn.CrossEntropyLoss())
    with pytest.raises(NotFused, match="CTCLoss is not computed"):
        list(Replicas([small], nn.CTCLoss()).fit(together(3)))


def test_these_models_of_the_catalogue_are_fused_and_no_others() -> None:
    fused = {"line", "mlp", "tiny-cnn", "lenet", "cnn2", "cnn", "autoencoder"}
    for name in set(MODELS) - {"gan"}:  # its halves are trained apart
        shape = (28, 28) if name in ("rnn", "gru", "lstm") else (1, 28, 28)
        try:
            Fused([passo.build(name, shape, 10)], [0])
        except NotFused:
            assert name not in fused
        else:
            assert name in fused
