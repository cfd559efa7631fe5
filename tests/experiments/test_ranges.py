"""The LR range test: what it computes, over seeds, for every optimizer; what it refuses."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from passo.data import Batches, load
from passo.errors import ConfigError, TrainingError, UnknownName
from passo.experiments import RangePlan, lr_range
from passo.experiments.ranges import range_tests
from passo.models import build
from passo.optim import make_optimizer, optimizers
from passo.training import fit

Images = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def images() -> Images:
    data = load("fashion-mnist-sample", validation=None)
    return data.train.images, data.train.labels


@pytest.fixture(scope="module")
def points() -> Images:
    """64 points of three classes that a small network can learn."""
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    return x, (x @ torch.tensor([[2.0, -1, 0], [0, 1, -2], [1, 1, 1], [-1, 0, 1]])).argmax(1)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False))


def batches_of(points: Images, seed: int = 1) -> Batches:
    return Batches(*points, 16, generator=torch.Generator().manual_seed(seed))


def test_the_suggestion_trains_better_than_a_hundredth_and_the_test_stops_when_it_diverges(images: Images) -> None:
    model = build("mlp", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    batches = Batches(*images, 64, generator=torch.Generator().manual_seed(1))
    found = lr_range(model, nn.CrossEntropyLoss(), optimizer, batches, lr_min=1e-5, lr_max=1e3)
    assert found.diverged_at is not None
    assert found.diverged_at < 1e3
    ends = {}
    for lr in (found.suggestion, found.suggestion / 100):
        net = build("mlp", seed=0)
        run = fit(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9), batches)
        ends[lr] = [r.end.train_loss for r in run if r.end is not None][-1]
    assert ends[found.suggestion] < 0.7 * ends[found.suggestion / 100]


@pytest.mark.parametrize("name", [name for name in optimizers() if name != "sparseadam"])
def test_a_test_is_a_training_whose_rate_rises_for_every_optimizer(name: str, points: Images) -> None:
    """Held to a loop written out: a new optimizer by name, its rate set, one step; bit for bit."""
    batches = [(x.clone(), y.clone()) for x, y in batches_of(points)]
    model = small()
    options = {"lr": 0.01} if name in ("sgd", "keras-sgd", "lbfgs", "ftrl") else {}
    used = make_optimizer(name, model.parameters(), **options)
    model(points[0]).sum().backward()
    used.step(lambda: model(points[0]).sum())  # type: ignore[arg-type]  # has a state: the test must not take it over
    plan = RangePlan(lr_min=1e-4, lr_max=1e-1, steps=20, divergence=math.inf)
    (test,) = range_tests(model, nn.CrossEntropyLoss(), used, batches, plan, [0])

    fresh = small()
    fresh.load_state_dict(model.state_dict())
    optimizer, losses = make_optimizer(name, fresh.parameters(), **options), []
    for step, lr in enumerate(np.geomspace(1e-4, 1e-1, 20)):
        optimizer.param_groups[0]["lr"] = float(lr)
        x, y = batches[step % len(batches)]

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(fresh(x), y)
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())  # type: ignore[arg-type,union-attr]
    np.testing.assert_array_equal(test.loss, losses)
    np.testing.assert_allclose(test.lr, np.geomspace(1e-4, 1e-1, 20), rtol=1e-14)


@pytest.mark.parametrize("mode", ["exponential", "linear"])
def test_rates_are_spaced_and_losses_averaged_as_promised(mode: str, points: Images) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = lr_range(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        batches_of(points),
        lr_min=0.01,
        lr_max=1,
        steps=40,
        beta=0.7,
        mode=mode,
    )
    (test,) = found.tests
    gaps = np.diff(test.lr if mode == "linear" else np.log(test.lr))
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-9)
    assert (test.lr[0], test.lr[-1]) == (pytest.approx(0.01), pytest.approx(1))
    weights = [0.7 ** np.arange(t, -1, -1) for t in range(len(test.loss))]  # the newest loss has weight 1
    averages = [float(w @ test.loss[: len(w)] / w.sum()) for w in weights]
    np.testing.assert_allclose(test.smoothed, averages, rtol=1e-12)


def test_groups_keep_the_ratio_of_their_rates_and_their_own_options(points: Images) -> None:
    seen: list[list[tuple[float, float]]] = []

    class Told(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            seen.append([(group["lr"], group["weight_decay"]) for group in self.param_groups])
            return super().step(closure)

    model = small()
    groups = [
        {"params": model[0].parameters(), "lr": 0.2, "weight_decay": 0.003},
        {"params": model[2].parameters(), "lr": 0.05},
    ]
    optimizer = Told(groups, lr=1.0)
    torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda _: 0.0, lambda _: 0.7])  # a warm-up has moved the rates since
    lr_range(model, nn.CrossEntropyLoss(), optimizer, batches_of(points), lr_min=0.01, lr_max=3, steps=60)
    assert {tuple(decay for _, decay in step) for step in seen} == {(0.003, 0.0)}
    np.testing.assert_allclose([step[0][0] for step in seen], np.geomspace(0.01, 3, 60)[: len(seen)])
    np.testing.assert_allclose([step[1][0] / step[0][0] for step in seen], 0.05 / 0.2)


def test_clipping_and_the_threshold_reach_the_test(points: Images) -> None:
    model = small()
    run = {
        "loss_fn": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "batches": batches_of(points),
        "lr_min": 0.01,
        "lr_max": 1e4,
    }
    soon, late = (lr_range(model, **run, divergence=factor).diverged_at for factor in (1.5, 10.0))
    assert soon is not None
    assert late is None or soon < late
    free, clipped = (lr_range(model, **run, clip_norm=norm).tests[0].loss for norm in (None, 1e-3))
    assert free[0] == clipped[0]
    assert abs(clipped[:20] - clipped[0]).max() < abs(free[:20] - free[0]).max()


def test_seeds_vary_the_order_of_the_batches_and_a_function_the_initialisation_too(points: Images) -> None:
    model = small()
    optimizer = torch.optim.Adam(model.parameters())
    one = lr_range(model, nn.CrossEntropyLoss(), optimizer, batches_of(points), seeds=3)
    assert one.varied == ("batch order",)
    assert [test.seed for test in one.tests] == [0, 1, 2]
    logs = [math.log(test.suggestions["steepest"]) for test in one.tests]
    assert one.suggestion == pytest.approx(math.exp(sum(logs) / 3))

    def built(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))

    other = lr_range(
        built, nn.CrossEntropyLoss(), lambda m: torch.optim.Adam(m.parameters()), batches_of(points), seeds=[4, 9]
    )
    assert other.varied == ("initialisation", "batch order", "dropout")
    alone = lr_range(
        built, nn.CrossEntropyLoss(), lambda m: torch.optim.Adam(m.parameters()), batches_of(points), seeds=[9]
    )
    np.testing.assert_array_equal(alone.tests[0].loss, other.tests[1].loss)  # a seed's test is the same in any company


def test_the_chosen_rule_is_the_suggestion(points: Images) -> None:
    model = small()
    run = (model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters()), batches_of(points))
    for rule in ("steepest", "valley", "minimum/10"):
        found = lr_range(*run, lr_max=1.0, suggest=rule)
        assert found.suggestion == pytest.approx(found.tests[0].suggestions[rule])
    with pytest.raises(UnknownName, match="unknown rule 'vally'. Did you mean 'valley'"):
        lr_range(*run, suggest="vally")


# ── What is refused ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"lr_min": 1, "lr_max": 0.1}, "0 < lr_min < lr_max, got 1 and 0.1"),
        ({"lr_min": 0.1, "lr_max": 0.1}, "0 < lr_min < lr_max"),
        ({"lr_min": 0}, "0 < lr_min < lr_max"),
        ({"lr_max": math.inf}, "0 < lr_min < lr_max"),
        ({"lr_max": math.nan}, "0 < lr_min < lr_max"),
        ({"steps": 3}, "steps must be ≥ 10, got 3"),
        ({"mode": "log"}, "mode must be exponential or linear, got 'log'"),
        ({"beta": 1.0}, "0 ≤ beta < 1, got 1"),
        ({"divergence": 1.0}, "divergence must be > 1"),
        ({"seeds": 0}, "seeds must be different and at least one"),
        ({"seeds": [1, 1]}, "seeds must be different and at least one"),
    ],
)
def test_nonsense_is_refused(limits: dict[str, Any], said: str, points: Images) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match=said):
        lr_range(model, nn.CrossEntropyLoss(), optimizer, batches_of(points), **limits)


def test_batches_that_can_be_walked_only_once_are_refused_and_not_consumed(points: Images) -> None:
    model = small()
    walked = iter(batches_of(points))
    with pytest.raises(ConfigError, match="used up by walking it: give a set that can be walked again"):
        lr_range(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), walked)
    assert len(list(walked)) == 4

    class Once:
        """Looks like a set, and is none."""

        def __init__(self) -> None:
            self.inside = iter([points])

        def __iter__(self) -> Iterator[Images]:
            return self.inside

    with pytest.raises(TrainingError, match="came to an end"):
        lr_range(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), Once())


def test_an_optimizer_of_other_parameters_is_refused(points: Images) -> None:
    for optimizer in (
        torch.optim.SGD(small().parameters(), lr=0.1),
        lambda _: torch.optim.SGD(small().parameters(), lr=0.1),
    ):
        with pytest.raises(ConfigError, match="parameters that are not the model's"):
            lr_range(small(), nn.CrossEntropyLoss(), optimizer, batches_of(points))
    with pytest.raises(ConfigError, match="needs one that builds its optimizer"):
        lr_range(lambda _: small(), nn.CrossEntropyLoss(), torch.optim.SGD(small().parameters(), lr=0.1), [points])
    with pytest.raises(ConfigError, match="gave a Sequential"):
        lr_range(small(), nn.CrossEntropyLoss(), lambda model: model, [points])  # type: ignore[arg-type,return-value]


def test_an_optimizer_that_cannot_be_built_anew_says_what_to_do(points: Images) -> None:
    class Odd(torch.optim.SGD):
        def __init__(self, params: Any, secret: int, **options: Any) -> None:
            super().__init__(params, **options)

    model = small()
    with pytest.raises(ConfigError, match="Odd cannot be built anew.*give a function that builds it"):
        lr_range(model, nn.CrossEntropyLoss(), Odd(model.parameters(), 1, lr=0.1), [points])
    found = lr_range(model, nn.CrossEntropyLoss(), lambda m: Odd(m.parameters(), 1, lr=0.1), [points])
    assert found.suggestion > 0


def test_seeds_that_change_nothing_are_refused(points: Images) -> None:
    model = small()
    with pytest.raises(ConfigError, match="3 seeds change nothing here"):
        lr_range(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters()), [points], seeds=3)


def test_a_loss_that_never_falls_gets_no_suggestion(points: Images) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(
        TrainingError, match="did not fall beyond its noise between 1e-12 and 1e-09.*a smaller lr_min first"
    ):
        lr_range(model, nn.CrossEntropyLoss(), optimizer, batches_of(points), lr_min=1e-12, lr_max=1e-9)
    with pytest.raises(TrainingError, match="did not fall"):
        lr_range(model, nn.CrossEntropyLoss(), optimizer, batches_of(points), lr_min=1e5, lr_max=1e9)
    with pytest.raises(TrainingError, match="did not fall"):  # not one finite loss
        lr_range(model, lambda out, y: out.sum() * math.nan, optimizer, batches_of(points))
