"""What the book's class gathers, counts and tests of a model, and what it leaves as it was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from passo import seeding
from passo.errors import ConfigError, UnknownName
from passo.stepbystep import StepByStep

# ── captures ──


def test_parameters_are_captured_after_the_step_and_in_training_only_as_tensors(build) -> None:
    sbs, seen = build(), []
    inner = sbs.train_step_fn
    sbs.train_step_fn = lambda x, y: (inner(x, y), seen.append(sbs.model.fc1.weight.detach().clone()))[0]
    sbs.capture_parameters("fc1")
    sbs.train(2)
    sbs.predict(torch.ones(2, 1, 8, 8))
    kept = sbs._parameters["fc1"]["weight"]
    assert list(sbs._parameters["fc1"]) == ["weight", "bias"]
    assert all(isinstance(one, torch.Tensor) for one in kept)
    assert len(kept) == len(seen) == 8  # 4 mini-batches an epoch; validation and prediction add nothing
    assert all(torch.equal(a, b) for a, b in zip(kept, seen, strict=True))
    assert np.array(kept).shape == (8, 2, 27)


def test_capturing_the_whole_model_names_every_parameter(build) -> None:
    sbs = build()
    sbs.capture_parameters("")
    sbs.capture_gradients("")
    sbs.train(1)
    names = [name for name, _ in sbs.model.named_parameters()]
    assert list(sbs._parameters[""]) == list(sbs._gradients[""]) == names


def test_captured_gradients_are_those_of_every_step(build) -> None:
    sbs, plain = build(torch.optim.SGD), build(torch.optim.SGD)
    sbs.capture_gradients(["conv1", "fc1"])
    sbs.capture_parameters(["fc1"])
    before = sbs.model.fc1.bias.detach().clone()
    sbs.train(1)
    plain.train(1)
    assert sbs.losses == plain.losses
    gradients, weights = sbs._gradients["fc1"]["bias"], [before, *sbs._parameters["fc1"]["bias"]]
    assert len(gradients) == len(sbs._gradients["conv1"]["weight"]) == 4
    for gradient, old, new in zip(gradients, weights[:-1], weights[1:], strict=True):
        torch.testing.assert_close(old - 0.01 * gradient, new)


def test_captures_end_with_remove_hooks_and_begin_anew_when_asked_again(build) -> None:
    sbs = build()
    for _ in range(2):
        sbs.capture_gradients("fc1")
        sbs.capture_parameters("fc1")
        sbs.attach_hooks(["fc1"])
    sbs.train(1)
    assert len(sbs._gradients["fc1"]["bias"]) == len(sbs._parameters["fc1"]["bias"]) == 4
    assert len(sbs.visualization["fc1"]) == 50 + 30
    sbs.remove_hooks()
    assert sbs.handles == {}
    sbs.train(1)
    assert len(sbs._gradients["fc1"]["bias"]) == len(sbs._parameters["fc1"]["bias"]) == 4
    assert len(sbs.visualization["fc1"]) == 80


def test_parameters_are_captured_under_another_optimizer_too(build) -> None:
    sbs = build()
    sbs.capture_parameters("fc1")
    sbs.set_optimizer(torch.optim.SGD(sbs.model.parameters(), lr=0.1))
    sbs.train(1)
    assert len(sbs._parameters["fc1"]["weight"]) == 4


# ── hooks ──


def test_hooks_fill_visualization_with_what_goes_through_the_layers(build) -> None:
    sbs = build()
    sbs.attach_hooks(layers_to_hook=["conv1", "flatten"])
    assert sbs.visualization == {"conv1": None, "flatten": None}
    x = torch.stack([x for x, _ in sbs.val_loader.dataset])
    sbs.predict(x[:16])
    sbs.predict(x[16:])
    sbs.remove_hooks()
    with torch.no_grad():
        expected = sbs.model.conv1(x).numpy()
    np.testing.assert_allclose(sbs.visualization["conv1"], expected, rtol=1e-5, atol=1e-6)
    assert sbs.visualization["flatten"].shape == (30, 27)


def test_a_readers_own_hook_is_called_instead(build) -> None:
    sbs, calls = build(), []
    sbs.attach_hooks(
        ["fc1"], lambda layer, inputs, outputs: calls.append((type(layer), inputs[0].shape, outputs.shape))
    )
    sbs.predict(torch.ones(3, 1, 8, 8))
    assert calls == [(nn.Linear, (3, 27), (3, 2))]


def test_a_recurrent_layers_states_are_gathered() -> None:
    class Squares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.out = nn.GRU(2, 3, batch_first=True), nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return self.out(self.gru(x)[0][:, -1])

    model = Squares()
    sbs = StepByStep(model, nn.BCEWithLogitsLoss(), torch.optim.Adam(model.parameters()))
    sbs.attach_hooks(["gru"])
    sbs.predict(np.zeros((5, 4, 2)))
    assert sbs.visualization["gru"].shape == (5, 4, 3)


def test_a_layer_that_is_not_there_is_answered_with_the_nearest(build) -> None:
    sbs = build()
    for ask in (sbs.attach_hooks, sbs.capture_gradients, sbs.capture_parameters, sbs.visualize_filters):
        with pytest.raises(UnknownName, match="Did you mean 'conv1'\\? Known: conv1,"):
            ask("conv")


# ── predictions and counts ──


def test_predict_answers_with_numpy_in_evaluation_mode_and_leaves_the_mode(build) -> None:
    sbs = build()
    sbs.train(1)
    for mode in (True, False):
        sbs.model.train(mode)
        buffers = [one.clone() for one in sbs.model.buffers()]
        found = sbs.predict(np.ones((2, 1, 8, 8), dtype=np.float64))
        assert isinstance(found, np.ndarray) and np.array_equal(found, sbs.predict(torch.ones(2, 1, 8, 8)))
        assert sbs.model.training is mode
        assert all(torch.equal(a, b) for a, b in zip(buffers, sbs.model.buffers(), strict=True))


def test_correct_counts_right_ones_and_all_of_each_class(build) -> None:
    sbs = build()
    sbs.train(1)
    x, y = next(iter(sbs.val_loader))
    guessed = sbs.predict(x).argmax(1)
    expected = [[sum(g == t == c for g, t in zip(guessed, y.tolist(), strict=True)), (y == c).sum()] for c in (0, 1)]
    assert sbs.correct(x, y).tolist() == expected
    total = StepByStep.loader_apply(sbs.val_loader, sbs.correct)
    assert total[:, 1].sum() == 30 and total.shape == (2, 2)


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
@pytest.mark.parametrize(
    ("last", "threshold", "expected"),
    [
        ([], 0.5, [[2, 2], [2, 3]]),  # logits above 0
        ([], 0.8, [[2, 2], [1, 3]]),  # logits above 1.386
        ([nn.Sigmoid()], 0.6, [[2, 2], [1, 3]]),  # 0.622 is above only as a probability
    ],
)
def test_correct_of_one_column_goes_by_the_threshold(shape, last, threshold, expected) -> None:
    model = nn.Sequential(nn.Identity(), *last)
    sbs = StepByStep(model, nn.BCEWithLogitsLoss(), torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1))
    logits = torch.tensor([-3.0, -0.1, -0.5, 0.4, 2.0])[:, None]
    true = torch.tensor([0.0, 0, 1, 1, 1]).reshape(shape)
    assert sbs.correct(logits, true, threshold).tolist() == expected


def test_count_parameters_counts_what_is_trained(build) -> None:
    sbs = build()
    assert sbs.count_parameters() == (9 + 1) * 3 + 2 * 3 + 27 * 2 + 2
    sbs.model.fc1.requires_grad_(False)
    assert sbs.count_parameters() == 36


# ── images ──


def test_loader_apply_sums_means_or_stacks() -> None:
    loader = [(torch.full((2,), float(n)), None) for n in (1, 2, 6)]
    for reduce, expected in (("sum", 18.0), ("mean", 6.0), (None, [2.0, 4.0, 12.0])):
        assert StepByStep.loader_apply(loader, lambda x, y: x.sum(), reduce).tolist() == expected
    with pytest.raises(ConfigError, match="reduce must be 'sum', 'mean' or None, got 'max'"):
        StepByStep.loader_apply(loader, lambda x, y: x.sum(), "max")


def test_a_normalizer_has_the_mean_over_images_of_each_channels_mean_and_deviation() -> None:
    x = torch.randn(10, 3, 5, 5) * torch.tensor([1.0, 2.0, 3.0])[:, None, None] + 4
    loader = [(x[:4], None), (x[4:], None)]
    count, means, stds = StepByStep.statistics_per_channel(x[:4], None)
    assert count.tolist() == [4.0] * 3
    np.testing.assert_allclose(means, [sum(float(x[n, c].mean()) for n in range(4)) for c in range(3)], rtol=1e-5)
    np.testing.assert_allclose(stds, [sum(float(x[n, c].std()) for n in range(4)) for c in range(3)], rtol=1e-5)
    normalizer = StepByStep.make_normalizer(loader)
    mean = [np.mean([x[n, c].numpy().mean() for n in range(10)]) for c in range(3)]
    std = [np.mean([x[n, c].numpy().std(ddof=1) for n in range(10)]) for c in range(3)]
    np.testing.assert_allclose(normalizer.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(normalizer.std, std, rtol=1e-5)
    expected = (x.numpy() - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    np.testing.assert_allclose(normalizer(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(normalizer(x[0]), expected[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="a channel without contrast"):
        StepByStep.make_normalizer([(torch.ones(2, 1, 3, 3), None)])


# ── the range test ──


def everything(sbs: StepByStep) -> tuple[Any, ...]:
    """All that a range test must leave: copies of weights, buffers, states, modes, gradients, generators, lists."""
    model = {name: one.clone() for name, one in sbs.model.state_dict().items()}
    states = [{k: torch.as_tensor(v).clone() for k, v in state.items()} for state in sbs.optimizer.state.values()]
    groups = [{k: v for k, v in group.items() if k != "params"} for group in sbs.optimizer.param_groups]
    gradients = [None if one.grad is None else one.grad.clone() for one in sbs.model.parameters()]
    drawn, own = seeding.capture(), sbs.train_loader.sampler.generator.get_state().clone()
    captured = len(sbs._parameters["fc1"]["bias"]), len(sbs._gradients["fc1"]["bias"]), sbs.visualization["fc1"]
    told = list(sbs.losses), list(sbs.learning_rates), sbs.total_epochs, sbs._batches
    modes = [module.training for module in sbs.model.modules()]
    return model, states, groups, gradients, drawn, own, captured, told, modes


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other)) if isinstance(one, torch.Tensor | np.ndarray) else one == other


@pytest.mark.parametrize(("end_lr", "diverged"), [(0.5, False), (1e30, True)])
@pytest.mark.parametrize("step_mode", ["exp", "lin"])
def test_a_range_test_leaves_everything_as_it_was_diverged_or_not(build, step_mode, end_lr, diverged) -> None:
    sbs, untested = build(own_generator=True), build(own_generator=True)
    for one in (untested, sbs):
        one.train(1)
        one.capture_parameters("fc1")
        one.capture_gradients("fc1")
        one.attach_hooks(["fc1"])
        one.set_clip_backprop(1e3)
        one.set_lr_scheduler(torch.optim.lr_scheduler.StepLR(one.optimizer, 1))
        one.loss_fn(one.model(torch.ones(2, 1, 8, 8)), torch.tensor([0, 1])).backward()
    before = everything(sbs)
    tracking, figure = sbs.lr_range_test(sbs.train_loader, end_lr, num_iter=20, step_mode=step_mode)
    assert (len(tracking["lr"]) < 20) == diverged
    assert same(everything(sbs), before)
    assert figure.axes[0].get_xscale() == {"exp": "log", "lin": "linear"}[step_mode]
    drawn = seeding.capture()  # the two share what is global
    sbs.train(1)
    seeding.restore(drawn)
    untested.train(1)
    assert sbs.losses == untested.losses and math.isfinite(sbs.losses[-1])


@pytest.mark.parametrize(
    ("step_mode", "spaced"), [("exp", np.geomspace), ("lin", np.linspace), ("linear", np.linspace)]
)
def test_a_range_test_honours_the_step_mode(build, step_mode, spaced) -> None:
    sbs = build(lr=0.001)
    tracking, _ = sbs.lr_range_test(sbs.train_loader, 0.1, num_iter=25, step_mode=step_mode)
    np.testing.assert_allclose(tracking["lr"], spaced(0.001, 0.1, 25))
    assert len(tracking["loss"]) == 25
    assert sbs.lr_range_test(sbs.train_loader, 0.1, num_iter=25, step_mode=step_mode)[0] == tracking


def test_a_range_tests_losses_are_smoothed_with_alpha_on_the_newest(build) -> None:
    sbs = build()
    raw, _ = sbs.lr_range_test(sbs.train_loader, 0.1, num_iter=12, alpha=1.0)
    smooth, _ = sbs.lr_range_test(sbs.train_loader, 0.1, num_iter=12, alpha=0.3)
    expected = raw["loss"][:1]
    for loss in raw["loss"][1:]:
        expected.append(0.3 * loss + 0.7 * expected[-1])
    np.testing.assert_allclose(smooth["loss"], expected)


def test_a_range_test_clips_as_the_training_will(build) -> None:
    free, curves = build(torch.optim.SGD), []
    for method in ("set_clip_grad_value", "set_clip_backprop"):
        sbs = build(torch.optim.SGD)
        getattr(sbs, method)(1e-4)
        curves.append(sbs.lr_range_test(sbs.train_loader, 1.0, num_iter=20)[0])
    assert curves[0] == curves[1] != free.lr_range_test(free.train_loader, 1.0, num_iter=20)[0]


def test_a_range_test_draws_on_the_axes_it_is_given_and_says_what_is_wrong(build) -> None:
    import matplotlib.pyplot as plt

    sbs, (figure, ax) = build(), plt.subplots()
    tracking, found = sbs.lr_range_test(sbs.train_loader, 0.1, num_iter=10, ax=ax)
    assert found is figure and np.array_equal(ax.lines[0].get_xdata(), tracking["lr"])
    with pytest.raises(UnknownName, match="unknown step_mode 'expo'. Did you mean 'exp'"):
        sbs.lr_range_test(sbs.train_loader, 0.1, step_mode="expo")
    with pytest.raises(ConfigError, match="starts at the optimizer's learning rate, 0.01, so end_lr must be above it"):
        sbs.lr_range_test(sbs.train_loader, 0.001)
