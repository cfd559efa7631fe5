"""The tasks: noise, metrics and the two-sided step, each held against a plain reading of its definition."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import passo
from passo.errors import ConfigError, Diverged, TrainingError
from passo.models import build
from passo.seeding import generator
from passo.training import evaluate, fit, train_config
from passo.training.penalty import Penalty
from passo.training.step import Manner
from passo.training.tasks import TASKS
from passo.training.tasks.classify import Classify
from passo.training.tasks.generate import Generate
from passo.training.tasks.halves import Halves
from passo.training.tasks.likeness import Likeness, sliced
from passo.training.tasks.losses import LOSSES, ClassError
from passo.training.tasks.noise import NOISES
from passo.training.tasks.reconstruct import Distances, Reconstruct
from passo.training.tasks.regress import Regress
from passo.training.tasks.span import Span

SCALES = ("standardize", "normalize", "symmetric", "none")


def config(**settings: Any) -> Any:
    return train_config({"dataset": "fashion-mnist-sample", **settings})


def images(n: int = 40, shape: tuple[int, ...] = (1, 12, 12), seed: int = 0) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


# ── Span ──


@pytest.mark.parametrize("scale", SCALES)
def test_black_and_white_are_0_and_1_however_images_are_scaled(scale: str) -> None:
    data = passo.load("fashion-mnist-sample", scale=scale, per_class=3)
    unit = Span.of(data).unit(data.test.images[:50])
    assert torch.allclose(unit[:, 0], torch.from_numpy(data.test.raw[:50] / 255).float(), atol=2e-6)


def test_a_table_spans_each_column_of_its_training_part(tmp_path: Any) -> None:
    rows = [f"{a},{100 * a * a},7,{a}" for a in range(50)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,same,y", *rows]))
    data = passo.load(str(tmp_path / "t.csv"))
    unit = Span.of(data).unit(data.train.images)
    assert unit.amin(0).tolist() == [0, 0, 0]
    assert unit.amax(0).tolist() == pytest.approx([1, 1, 0])


# ── noise ──


def noisy(name: str, x: Tensor, strength: float, span: Span | None = None, seed: int = 0) -> Tensor:
    return NOISES[name](x, strength, span or Span.of(None), torch.Generator().manual_seed(seed))


def test_gaussian_noise_has_the_strength_asked_for_in_units_of_white_less_black() -> None:
    span = Span(torch.tensor(-3.0), torch.tensor(5.0))
    change = noisy("gaussian", torch.zeros(200, 1, 12, 12), 0.25, span)
    assert float(change.std()) == pytest.approx(2.0, rel=0.02)
    assert abs(float(change.mean())) < 0.05


@pytest.mark.parametrize(("name", "ends"), [("salt-and-pepper", (-1.0, 2.0)), ("masking", (-1.0,))])
def test_pixel_noise_touches_its_share_and_leaves_the_rest(name: str, ends: tuple[float, ...]) -> None:
    x = images(200)
    changed = noisy(name, x, 0.3, Span(torch.tensor(-1.0), torch.tensor(2.0)))
    where = changed != x
    assert float(where.float().mean()) == pytest.approx(0.3, abs=0.01)
    for end in ends:
        assert float((changed == end).float().mean()) == pytest.approx(0.3 / len(ends), abs=0.01)
    assert set(changed[where].tolist()) == set(ends)


def test_salt_and_pepper_change_all_channels_of_a_pixel() -> None:
    x = images(20, (3, 8, 8)) * 0.8 + 0.1
    where = noisy("salt-and-pepper", x, 0.4) != x
    assert torch.equal(where[:, 0], where[:, 1]) and torch.equal(where[:, 0], where[:, 2])


def test_an_occlusion_is_one_black_square_inside_the_image_at_places_of_its_own() -> None:
    covered = noisy("occlusion", torch.ones(60, 1, 10, 14), 0.5) == 0
    places = set()
    for one in covered[:, 0]:
        rows, columns = torch.where(one.any(1))[0].tolist(), torch.where(one.any(0))[0].tolist()
        assert (len(rows), len(columns)) == (5, 5) and int(one.sum()) == 25
        places.add((rows[0], columns[0]))
    assert {row for row, _ in places} == set(range(6)) and {column for _, column in places} == set(range(10))


@pytest.mark.parametrize("name", list(NOISES))
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_noise_keeps_the_dtype_and_is_the_same_for_the_same_draw(name: str, dtype: torch.dtype) -> None:
    x = images().to(dtype)
    before = x.clone()
    a, b, other = (noisy(name, x, 0.3, seed=seed) for seed in (1, 1, 2))
    assert a.dtype == dtype and a.shape == x.shape
    assert torch.equal(a, b) and not torch.equal(a, other)
    assert torch.equal(x, before), "what was shown is another tensor: the target stays clean"


def test_noise_is_a_function_of_seed_step_and_mini_batch_alone() -> None:
    x = images()
    tasks = [Reconstruct(config(seed=seed), "gaussian") for seed in (0, 0, 1)]
    a, b, other = (task.prepare(x, x, 5)[0] for task in tasks)
    assert torch.equal(a, b) and not torch.equal(a, other)
    later, part = tasks[0].prepare(x, x, 6)[0], tasks[0].prepare(x, x, 5, 1)[0]
    seen, again = (tasks[0].shown(x, x, 0)[0] for _ in range(2))
    assert torch.equal(seen, again)
    different = [a, later, part, seen, tasks[0].shown(x, x, 1)[0]]
    assert all(not torch.equal(p, q) for i, p in enumerate(different) for q in different[:i])
    assert torch.equal(tasks[0].prepare(x, x, 5)[1], x)


def test_every_mini_batch_of_an_accumulated_step_has_noise_of_its_own() -> None:
    shown: list[Tensor] = []

    class Watching(Reconstruct):
        def prepare(self, x: Tensor, y: Tensor, step: int, part: int = 0) -> tuple[Tensor, Tensor]:
            pair = super().prepare(x, y, step, part)
            shown.append(pair[0] - pair[1])
            return pair

    model = build("autoencoder", (1, 12, 12), seed=0, hidden=[4])
    task, x = Watching(config(), "gaussian"), images(8)
    list(fit(model, LOSSES["mse"](), torch.optim.SGD(model.parameters(), 0.1), [(x, x)] * 4, accumulate=2, task=task))
    assert len(shown) == 4
    assert all(not torch.equal(p, q) for i, p in enumerate(shown) for q in shown[:i])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"noise": "gausian"}, "Did you mean 'gaussian'"),
        ({"noise": "masking", "strength": 1.5}, "a number > 0 and ≤ 1, got 1.5"),
        ({"noise": "gaussian", "strength": 0}, "> 0, got 0"),
        ({"noise": "gaussian", "strength": "a lot"}, "got 'a lot'"),
        ({"loss": "bce"}, "task.loss must be mse or mae"),
    ],
)
def test_what_reconstruct_does_not_take_is_answered_in_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Reconstruct(config(), **options)


# ── metrics ──


def test_reconstruction_metrics_are_those_of_all_pixels_together() -> None:
    rng = np.random.default_rng(0)
    clean, shown, given = rng.random((3, 25, 1, 6, 6))
    found = Distances(Span.of(None), noisy=True)
    for part in (slice(0, 10), slice(10, 25)):
        found.add(*(torch.from_numpy(one[part]).float() for one in (shown, given, clean)))
    values = found.values()
    mse, before = ((given - clean) ** 2).mean(), ((shown - clean) ** 2).mean()
    assert values["mse"] == pytest.approx(mse, rel=1e-5)
    assert values["mae"] == pytest.approx(np.abs(given - clean).mean(), rel=1e-5)
    assert values["psnr"] == pytest.approx(10 * np.log10(1 / mse), rel=1e-5)
    assert values["psnr_noisy"] == pytest.approx(10 * np.log10(1 / before), rel=1e-5)
    assert values["gain_db"] == pytest.approx(10 * np.log10(before / mse), abs=1e-5)
    kept = {name: array for name, array, _ in found.kept()}
    errors = ((given - clean) ** 2).reshape(25, -1).mean(1)
    order = np.argsort(-errors)[:10]
    assert kept["errors"] == pytest.approx(errors, rel=1e-5)
    assert kept["worst/places"].tolist() == order.tolist()
    assert kept["worst"][:, 1] == pytest.approx(given[order], rel=1e-5)
    assert kept["first"][:, 2] == pytest.approx(clean[:10], rel=1e-5)


def test_a_perfect_reconstruction_has_an_infinite_ratio_and_no_error() -> None:
    found, x = Distances(Span.of(None), noisy=False), images(4)
    found.add(x, x, x)
    assert found.values() == {"mse": 0.0, "mae": 0.0, "psnr": math.inf}


def test_regression_metrics_are_those_of_their_equations() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=(70, 2)) + np.array([0.0, 5.0])
    given = y + 0.3 * rng.normal(size=y.shape)
    found = Regress(config()).measure()
    for part in (slice(0, 50), slice(50, 70)):
        found.add(torch.zeros(0), torch.from_numpy(given[part]), torch.from_numpy(y[part]))
    errors = [(a - b) for a, b in zip(y.ravel(), given.ravel(), strict=True)]
    around = sum(float(((y[:, k] - y[:, k].mean()) ** 2).sum()) for k in range(2))  # each output about its own mean
    squared = sum(error**2 for error in errors)
    mae = sum(map(abs, errors)) / 140
    assert found.values() == pytest.approx({"mse": squared / 140, "mae": mae, "r2": 1 - squared / around})


def test_targets_that_are_all_the_same_have_no_r2() -> None:
    found = Regress(config()).measure()
    found.add(torch.zeros(0), torch.zeros(5, 1), torch.ones(5, 1))
    assert found.values() == {"mse": 1.0, "mae": 1.0}


def test_an_output_of_another_shape_is_refused_and_not_stretched() -> None:
    for make in LOSSES.values():
        with pytest.raises(TrainingError, match=r"gives \(4, 1\) where \(4,\) is wanted"):
            make()(torch.zeros(4, 1), torch.zeros(4))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.zeros(4, 5), r"gives \(4, 5\) where \(4, 10\) is wanted"),
        (torch.zeros(4, 1, 28, 28), r"gives \(4, 1, 28, 28\) where \(4, 10\) is wanted"),
        ((torch.zeros(4, 10), 1), "gives a tuple where a tensor of logits is wanted"),
    ],
)
def test_logits_of_too_few_classes_or_another_shape_are_refused_in_a_sentence(output: Any, words: str) -> None:
    loss_fn = Classify(config()).loss_fn(passo.load("fashion-mnist-sample", per_class=2))
    y = torch.tensor([0, 3, 1, 2])  # no label is out of the narrow output's bounds: torch would take it
    with pytest.raises(TrainingError, match=words):
        loss_fn(output, y)
    logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loss_fn(logits, y), nn.CrossEntropyLoss()(logits, y))


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0]])
def test_smoothed_labels_are_trained_on_and_not_judged_by(weights: list[float] | None) -> None:
    """y′ = (1 − s)·onehot + s/C, and the loss is Σ w·y′·(−log p) over the sum of the labels' weights."""
    logits, labels, s = torch.randn(7, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0, 2, 2]), 0.3
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    loss_fn = ClassError(3, weight, s)
    w = torch.ones(3, dtype=torch.float64) if weight is None else weight
    smooth = (1 - s) * nn.functional.one_hot(labels, 3).double() + s / 3
    wanted = -(w * smooth * logits.log_softmax(1)).sum() / w[labels].sum()
    assert loss_fn(logits, labels).item() == pytest.approx(wanted.item(), rel=1e-12)
    seen = evaluate(nn.Identity(), loss_fn, [(logits, labels)])
    plain = -(w[labels] * logits.log_softmax(1)[range(7), labels]).sum() / w[labels].sum()
    assert seen.loss == pytest.approx(plain.item(), rel=1e-12)


def test_label_smoothing_reaches_the_loss_and_is_of_classes() -> None:
    data = passo.load("fashion-mnist-sample", per_class=5)
    assert Classify(config(label_smoothing=0.1)).loss_fn(data).label_smoothing == 0.1
    assert Classify(config(label_smoothing=0.1)).loss_fn(None).label_smoothing == 0.1
    with pytest.raises(ConfigError, match="label_smoothing is of classes: this training predicts values"):
        Regress(config(label_smoothing=0.1)).loss_fn(data)
    with pytest.raises(ConfigError, match="label_smoothing"):
        config(label_smoothing=1.0)


def test_values_are_not_taken_for_classes(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i / 2}\n" for i in range(200))
    (tmp_path / "halves.csv").write_text(f"a,b\n{rows}")
    with pytest.raises(ConfigError, match="learns classes, and csv has values: take task=regress"):
        passo.train(str(tmp_path / "halves.csv"), "mlp", task="classify", epochs=1, out=tmp_path / "run")


def test_the_sliced_distance_is_the_mean_over_directions_of_the_sorted_distance() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30, 5))
    plain = np.mean([abs(x - y) for k in range(5) for x, y in zip(sorted(a[:, k]), sorted(b[:, k]), strict=True)])
    assert sliced(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(plain)


def likeness(fake: Tensor, real: Tensor) -> dict[str, float]:
    judge = nn.Sequential(nn.Flatten(), nn.Linear(fake[0].numel(), 1))
    found = Likeness(judge, Span.of(None), 0, 5)
    for part in (slice(0, 100), slice(100, None)):
        found.add(fake[part], fake[part], real[part])
    return found.values()


def test_real_images_are_as_near_as_chance_allows_and_one_image_over_and_over_has_no_spread() -> None:
    real, others = images(400), images(400, seed=1)
    same, collapsed, darker = (
        likeness(others, real),
        likeness(real[:1].repeat(400, 1, 1, 1), real),
        likeness(others / 2, real),
    )
    assert same["distance"] < 1.5 * same["distance_real"] < 0.3 * darker["distance"]
    assert same["spread"] == pytest.approx(1, abs=0.02) and darker["spread"] == pytest.approx(0.5, abs=0.02)
    assert collapsed["spread"] < 1e-3
    assert collapsed["distance"] > 5 * collapsed["distance_real"]


# ── generate ──

SHAPE = (1, 8, 8)


def adversaries(accumulate: int = 1, **options: Any) -> tuple[Any, Generate, Halves, list[tuple[Tensor, Tensor]]]:
    model: Any = build("gan", SHAPE, seed=0, latent=4, hidden=[8], **options)
    task = Generate(config(seed=3), smoothing=0.1)
    optimizers = {half: torch.optim.Adam(getattr(model, half).parameters(), lr=0.01) for half in task.halves()}
    batches = [(images(6, SHAPE, seed) * 2 - 1, torch.zeros(6)) for seed in range(4 * accumulate)]
    task.begin(None, model)
    return model, task, Halves(optimizers), batches


def by_hand(model: Any, batches: list[tuple[Tensor, Tensor]], accumulate: int) -> list[tuple[float, float]]:
    """Algorithm 1 of the paper, with logarithms as it writes them, in float64."""
    sides = {
        half: torch.optim.Adam(getattr(model, half).parameters(), lr=0.01) for half in ("generator", "discriminator")
    }
    told = []
    for step, first in enumerate(range(0, len(batches), accumulate), start=1):
        group = [x for x, _ in batches[first : first + accumulate]]
        losses = []
        for half in ("discriminator", "generator"):
            total = torch.zeros((), dtype=torch.float64)
            for part, x in enumerate(group):
                z = model.noise(len(x), generator(3, "noise", half, step, part))
                d_fake = torch.sigmoid(model.discriminator(model.generator(z)))
                if half == "discriminator":
                    d_real = torch.sigmoid(model.discriminator(x))
                    cost = -(0.9 * d_real.log() + 0.1 * (1 - d_real).log()) - (1 - d_fake).log()
                else:
                    cost = -d_fake.log()
                total = total + cost.mean() * len(x) / sum(map(len, group))
            gradients = torch.autograd.grad(total, list(getattr(model, half).parameters()))
            for parameter, gradient in zip(getattr(model, half).parameters(), gradients, strict=True):
                parameter.grad = gradient
            sides[half].step()
            losses.append(float(total.detach()))
        told.append((losses[1], losses[0]))
    return told


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_is_the_papers_algorithm(accumulate: int) -> None:
    model, task, optimizer, batches = adversaries(accumulate)
    model, batches = model.double(), [(x.double(), y) for x, y in batches]
    plain = copy.deepcopy(model)
    task.begin(None, model)
    records = list(fit(model, task.loss_fn(None), optimizer, batches, accumulate=accumulate, task=task))  # type: ignore[arg-type]
    told = [(float(record.loss), float((record.told or {})["loss_discriminator"])) for record in records]
    assert np.array(told) == pytest.approx(np.array(by_hand(plain, batches, accumulate)), rel=1e-9)
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(model.state_dict()[name], tensor, rtol=1e-9, atol=1e-12), name


def test_what_a_step_tells_of_the_discriminator_is_its_mean_probability_before_the_step() -> None:
    model, task, optimizer, batches = adversaries()
    before = copy.deepcopy(model)
    x, z = batches[0][0], model.noise(6, generator(3, "noise", "discriminator", 1, 0))
    record = task.step(model, task.loss_fn(None), optimizer, batches[:1], Manner(), step=1, epoch=1)
    told = record.told or {}
    with torch.no_grad():
        real, made = before.discriminator(x), before.discriminator(before(z))
    assert float(told["d_real"]) == pytest.approx(float(torch.sigmoid(real).mean()), abs=1e-6)
    assert float(told["d_fake"]) == pytest.approx(float(torch.sigmoid(made).mean()), abs=1e-6)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("half", ["generator", "discriminator"])
def test_each_half_is_moved_by_its_own_optimizer_alone(half: str) -> None:
    model, task, optimizer, batches = adversaries()
    for group in optimizer[half].param_groups:
        group["lr"] = 0.0
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    list(fit(model, task.loss_fn(None), optimizer, batches, task=task))  # type: ignore[arg-type]
    moved = {name.split(".")[0] for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"generator", "discriminator"} - {half}


def test_the_penalty_of_each_half_is_on_its_own_weights() -> None:
    model, task, optimizer, batches = adversaries()
    manner = Manner(penalty=Penalty(model, l2=0.5))
    weights = {half: [p for p in getattr(model, half).parameters() if p.dim() > 1] for half in task.halves()}
    price = {half: 0.5 * sum(float(w.detach().square().sum()) for w in own) for half, own in weights.items()}
    record = task.step(model, task.loss_fn(None), optimizer, batches[:1], manner, step=1, epoch=1)
    assert record.penalty is not None and float(record.penalty) == pytest.approx(price["generator"], rel=1e-5)
    assert float((record.told or {})["penalty_discriminator"]) == pytest.approx(price["discriminator"], rel=1e-5)


def test_clipping_bounds_each_half_by_itself() -> None:
    model, task, optimizer, batches = adversaries()
    seen: dict[str, float] = {}
    for half in task.halves():

        def look(*_: Any, half: str = half) -> None:
            grads = [p.grad for p in getattr(model, half).parameters()]
            seen[half] = math.sqrt(sum(float(g.square().sum()) for g in grads if g is not None))

        optimizer[half].register_step_pre_hook(look)
    task.step(model, task.loss_fn(None), optimizer, batches[:1], Manner(clip_norm=1e-3), step=1, epoch=1)
    assert seen == pytest.approx({"generator": 1e-3, "discriminator": 1e-3}, rel=1e-3)


@pytest.mark.parametrize("half", ["generator", "discriminator"])
def test_a_loss_that_is_not_finite_stops_either_half_or_costs_its_step(half: str) -> None:
    model, task, optimizer, batches = adversaries()
    with torch.no_grad():
        next(getattr(model, half).parameters()).fill_(math.nan)
    other = "discriminator" if half == "generator" else "generator"
    before = [p.clone() for p in getattr(model, other).parameters()]
    with pytest.raises(Diverged):
        task.step(model, task.loss_fn(None), optimizer, batches[:1], Manner(nonfinite="stop"), step=1, epoch=1)
    record = task.step(model, task.loss_fn(None), optimizer, batches[:1], Manner(nonfinite="skip"), step=1, epoch=1)
    assert record.skipped
    assert all(torch.equal(p, q) for p, q in zip(getattr(model, other).parameters(), before, strict=True))


def test_bf16_reaches_both_halves() -> None:
    model, task, optimizer, batches = adversaries()
    seen: set[tuple[str, torch.dtype]] = set()
    for half in task.halves():
        layer = getattr(model, half).out
        layer.register_forward_hook(lambda _, __, output, half=half: seen.add((half, output.dtype)))
    record = task.step(model, task.loss_fn(None), optimizer, batches[:1], Manner(precision="bf16"), step=1, epoch=1)
    assert seen == {("generator", torch.bfloat16), ("discriminator", torch.bfloat16)}
    assert math.isfinite(float(record.loss))


def test_evaluating_a_gan_touches_neither_its_weights_nor_its_running_statistics() -> None:
    model: Any = build("gan", (1, 12, 12), seed=0, kind="convolutional", latent=4, filters=[4, 4])
    task = Generate(config())
    averaged = copy.deepcopy(model)  # the weights that are judged may be averaged ones
    task.begin(None, model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    found = evaluate(averaged, task.loss_fn(None), [(images(20, (1, 12, 12)), torch.zeros(20))], task=task)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert set(found.metrics) == set(Generate.metrics) and found.accuracy is None


@pytest.mark.parametrize(
    ("options", "said"),
    [({"smoothing": 1}, "smoothing cannot be 1"), ({"smoothing": True}, "smoothing"), ({"samples": 0}, "samples"),
     ({"discriminator_lr": "fast"}, "discriminator_lr cannot be 'fast'")],
)  # fmt: skip
def test_what_generate_does_not_take_is_answered_in_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Generate(config(), **options)


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_names_its_metrics_and_its_figures(name: str) -> None:
    assert TASKS[name].name == name
    assert TASKS[name].metrics and TASKS[name].figures
    assert set(TASKS[name].higher) <= set(TASKS[name].metrics)
    assert TASKS[name].watched == "loss" or TASKS[name].watched in TASKS[name].metrics
