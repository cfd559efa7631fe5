"""Activations: what is told of a layer's output is true of it, and telling it disturbs nothing."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from passo.errors import UnknownName, UsageError
from passo.models import build
from passo.models.dropout import dropouts
from passo.recording.activations import BLOCK, Activations

IMAGES = torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(5))
LABELS = torch.randint(0, 10, (16,), generator=torch.Generator().manual_seed(6))


class Clock:
    """Says which step a forward pass belongs to, as the microscope does: count it up after each optimiser step."""

    def __init__(self, every: int = 1) -> None:
        self.step, self.every = 1, every

    def __call__(self) -> int | None:
        return self.step if self.step % self.every == 0 else None


def read(seen: Activations) -> dict[str, dict[str, np.ndarray]]:
    """Layer → quantity → its values (T,)."""
    array, meta = seen.arrays()["activations"]
    return {
        layer: {quantity: array[:, n, q] for q, quantity in enumerate(meta["quantities"])}
        for n, layer in enumerate(meta["layers"])
    }


def one_step(model: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor] = torch.sum, **options: object) -> dict:
    """Numbers of a single step: layer → quantity → float."""
    clock = Clock()
    seen = Activations(model, clock, **options)  # type: ignore[arg-type]
    value = loss(model(x))
    if value.requires_grad:
        value.backward()
    clock.step += 1
    seen.close()
    return {layer: {q: float(v[0]) for q, v in told.items()} for layer, told in read(seen).items()}


@contextmanager
def outputs(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """What each layer gave, copied at once, and kept with its gradient: the slow, plain way."""
    kept: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _arguments: object, output: Tensor) -> Tensor:
            kept.setdefault(name, []).append(output.clone())  # where an in-place ReLU follows, this stays as it was
            if kept[name][-1].requires_grad:
                kept[name][-1].retain_grad()
            return kept[name][-1].clone()

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(keep(name)) for name, module in leaves]
    yield kept
    for handle in handles:
        handle.remove()


# ── true ──


@pytest.mark.parametrize("name", ["mlp", "lenet", "tiny-cnn", "cnn2"])
def test_what_is_told_is_what_a_plain_recomputation_finds(name: str) -> None:
    model = build(name, seed=1)

    def loss(out: Tensor) -> Tensor:
        return nn.functional.cross_entropy(out, LABELS)

    told = one_step(model, IMAGES, loss)
    for layer in dropouts(model):
        layer.micro_batch = 0  # the same masks again
    with outputs(model) as kept:
        loss(model(IMAGES)).backward()
    assert set(told) == set(kept) - {"flatten"}
    for layer, numbers in told.items():
        x = kept[layer][0].detach().double()
        assert numbers["mean"] == pytest.approx(x.mean().item(), rel=1e-4, abs=1e-6), layer
        assert numbers["std"] == pytest.approx(x.std(correction=0).item(), rel=1e-5), layer
        grad = kept[layer][0].grad
        if grad is None:
            assert np.isnan(numbers["grad_rms"]), layer
        else:
            assert numbers["grad_rms"] == pytest.approx(grad.double().square().mean().sqrt().item(), rel=1e-4), layer
        units = x.transpose(0, 1).flatten(1)  # (units, batch · positions)
        if x.min() == 0:
            assert numbers["dead"] == pytest.approx((units <= 0).all(1).double().mean().item()), layer
        else:
            assert np.isnan(numbers["dead"]), layer


def test_a_unit_that_no_image_wakes_is_dead() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10), nn.ReLU())
    with torch.no_grad():
        model[0].bias[:3] = -100.0  # type: ignore[index]
        model[3].bias[:9] = -100.0  # type: ignore[index]
        model[3].bias[9] = 100.0  # type: ignore[index]
    told = one_step(model, IMAGES)
    assert told["1"]["dead"] == 3 / 8
    assert told["4"]["dead"] == pytest.approx(9 / 10)
    assert np.isnan(told["0"]["dead"])


@pytest.mark.parametrize(
    ("module", "says"),
    [(nn.ReLU(), True), (nn.ReLU6(), True), (nn.Hardtanh(0, 1), True),
     (nn.Sequential(nn.ReLU(), nn.MaxPool1d(2)), True),
     (nn.LeakyReLU(), False), (nn.GELU(), False), (nn.Sigmoid(), False), (nn.Tanh(), False)],
)  # fmt: skip
def test_dead_is_told_of_rectifiers_alone(module: nn.Module, says: bool) -> None:
    told = one_step(module, torch.randn(32, 6, 10, generator=torch.Generator().manual_seed(0)).requires_grad_())
    assert all(np.isfinite(numbers["dead"]) == says for numbers in told.values()), told


def test_a_relu_without_a_zero_has_no_dead_units() -> None:
    assert one_step(nn.ReLU(), torch.ones(4, 3))["ReLU"]["dead"] == 0


def test_units_are_channels_after_a_convolution_and_features_otherwise() -> None:
    x = torch.full((4, 6, 10), -1.0)
    x[:, :, 0] = 1.0  # one of ten features is awake, and every one of the six channels
    assert one_step(nn.ReLU(), x)["ReLU"]["dead"] == pytest.approx(9 / 10)
    convolved = nn.Sequential(nn.Conv1d(6, 6, 1, groups=6, bias=False), nn.ReLU())
    nn.init.ones_(convolved[0].weight)  # type: ignore[arg-type]
    assert one_step(convolved, x)["1"]["dead"] == 0
    images = x.reshape(4, 6, 1, 10)
    assert one_step(nn.ReLU(), images)["ReLU"]["dead"] == 0  # four axes: images, with their channels second
    features = nn.Sequential(nn.Linear(10, 10, bias=False), nn.ReLU())
    nn.init.eye_(features[0].weight)  # type: ignore[arg-type]
    assert one_step(features, images)["1"]["dead"] == pytest.approx(9 / 10)  # after a linear layer, features again


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    x = 1000 + torch.randn(64, 128, generator=torch.Generator().manual_seed(0)) * 0.01
    told = one_step(nn.Tanhshrink(), x.double())["Tanhshrink"]
    assert told["std"] == pytest.approx(0.01, rel=0.05)
    assert told["std"] == pytest.approx(nn.Tanhshrink()(x.double()).std(correction=0).item(), rel=1e-5)
    single = one_step(nn.Dropout(0.0), x)["Dropout"]
    assert single["std"] == pytest.approx(x.double().std(correction=0).item(), rel=1e-3)


def test_layers_stand_in_the_order_of_the_forward_pass_and_unreached_ones_last() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.never, self.first = nn.Linear(3, 1), nn.Linear(2, 2), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x))

    told = one_step(Backwards(), torch.ones(4, 2))
    assert list(told) == ["first", "last", "never"]
    assert all(np.isnan(value) for value in told["never"].values())


# ── one step, many passes ──


def test_accumulated_batches_tell_what_the_whole_batch_would() -> None:
    model = build("mlp", seed=2)

    def loss(out: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(out, y, reduction="sum")

    whole = one_step(model, IMAGES, lambda out: loss(out, LABELS))
    clock = Clock()
    seen = Activations(model, clock)
    for part in (slice(0, 3), slice(3, 8), slice(8, 16)):
        loss(model(IMAGES[part]), LABELS[part]).backward()
    clock.step += 1
    for layer, numbers in read(seen).items():
        for quantity, values in numbers.items():
            expected = pytest.approx(whole[layer][quantity], rel=1e-4, abs=1e-7, nan_ok=True)
            assert values[0] == expected, (layer, quantity)


def test_a_module_used_twice_is_one_layer() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(x[:, :3]).sum() + self.relu(x[:, 3:]).sum()

    x = torch.tensor([[-1.0, -1, 5, -1, -1, 2, -1], [-2.0, -3, 1, 4, -1, 2, -1]])
    told = one_step(Twice(), x)["relu"]
    together = x.clamp(min=0)
    assert told["mean"] == pytest.approx(together.mean().item())
    assert told["std"] == pytest.approx(together.std(correction=0).item())
    assert told["dead"] == pytest.approx((2 + 2) / (3 + 4))  # two of the three units, and two of the other four


def test_a_recurrent_cell_is_told_over_all_its_time_steps() -> None:
    cell = nn.RNNCell(3, 4, nonlinearity="relu")
    x = torch.randn(7, 5, 3, generator=torch.Generator().manual_seed(0))
    clock = Clock()
    seen = Activations(cell, clock)
    states, h = [], torch.zeros(5, 4)
    for at in x:
        h = cell(at, h)
        h.retain_grad()
        states.append(h)
    torch.stack(states).square().sum().backward()
    clock.step += 1
    told = {quantity: float(values[0]) for quantity, values in read(seen)["RNNCell"].items()}
    together = torch.stack(states).detach()
    assert told["mean"] == pytest.approx(together.mean().item(), rel=1e-5)
    assert told["std"] == pytest.approx(together.std(correction=0).item(), rel=1e-5)
    assert told["dead"] == (together.amax((0, 1)) <= 0).float().mean().item()
    grads = torch.stack([state.grad for state in states])  # type: ignore[misc]
    assert told["grad_rms"] == pytest.approx(grads.square().mean().sqrt().item(), rel=1e-5)


def test_a_discriminators_true_and_false_batches_count_as_one() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    true, false = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).unbind(0)
    clock = Clock()
    seen = Activations(model, clock)
    (model(true) - model(false)).mean().backward()
    clock.step += 1
    with torch.no_grad():
        hidden = model[:2](torch.cat([true, false]))  # type: ignore[index]
    assert read(seen)["1"]["mean"][0] == pytest.approx(hidden.mean().item(), rel=1e-5)
    assert read(seen)["1"]["std"][0] == pytest.approx(hidden.std(correction=0).item(), rel=1e-5)


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_that_are_computed_again_for_the_backward_pass_tell_the_same(reentrant: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.randn(5, 3, requires_grad=True)
    plain = one_step(model, x, lambda out: out.square().sum())
    clock = Clock()
    seen = Activations(model, clock)
    checkpoint(model, x, use_reentrant=reentrant).square().sum().backward()
    clock.step += 1
    for layer, numbers in read(seen).items():
        assert {q: float(v[0]) for q, v in numbers.items()} == pytest.approx(plain[layer], rel=1e-5, nan_ok=True)


# ── when ──


def test_evaluation_is_not_recorded_and_training_in_eval_mode_is() -> None:
    model, clock = build("mlp", seed=0), Clock()
    seen = Activations(model, clock)
    model.eval()
    model(IMAGES[:4]).sum().backward()
    with torch.no_grad():
        model(IMAGES * 100)
    with torch.inference_mode():
        model(IMAGES * 100)
    clock.step += 1
    assert read(seen)["fc1"]["std"][0] == pytest.approx(one_step(model, IMAGES[:4])["fc1"]["std"])


def test_only_steps_that_are_due_are_recorded() -> None:
    model, clock = build("mlp", seed=0), Clock(every=3)
    seen = Activations(model, clock)
    for _ in range(7):
        model(IMAGES).sum().backward()
        clock.step += 1
    assert seen.arrays()["activations/steps"][0].tolist() == [3, 6]
    assert seen.arrays()["activations"][0].shape == (2, 3, 4)


def test_a_step_under_way_is_not_told_before_it_has_ended() -> None:
    model, clock = build("mlp", seed=0), Clock()
    seen = Activations(model, clock)
    model(IMAGES[:8]).sum().backward()
    assert seen.arrays()["activations/steps"][0].tolist() == []
    assert seen.drain() is None
    model(IMAGES[8:]).sum().backward()
    clock.step += 1
    assert seen.arrays()["activations/steps"][0].tolist() == [1]
    assert read(seen)["fc1"]["mean"][0] == pytest.approx(one_step(model, IMAGES)["fc1"]["mean"], rel=1e-5)


def test_what_is_drained_piece_by_piece_is_what_is_read_at_the_end() -> None:
    pieces, wholes = [], []
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    clock = Clock()
    drained, kept = Activations(model, clock), Activations(model, clock)
    generator = torch.Generator().manual_seed(0)
    for step in range(2 * BLOCK + 9):
        model(torch.randn(4, 2, generator=generator)).sum().backward()
        clock.step += 1
        if step in (0, 6, 300):
            pieces.append(drained.drain())
    pieces.append(drained.drain())
    assert drained.drain() is None
    for name in ("activations/steps", "activations"):
        joined = np.concatenate([piece[name][0] for piece in pieces if piece is not None])
        assert np.array_equal(joined, kept.arrays()[name][0], equal_nan=True)
        wholes.append(joined)
    assert wholes[0].tolist() == list(range(1, 2 * BLOCK + 10))
    assert wholes[1].shape == (2 * BLOCK + 9, 2, 4)


def test_the_order_of_layers_is_the_same_in_every_piece() -> None:
    class Changing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
            self.swapped = False

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x)) if self.swapped else self.b(x)

    model, clock = Changing(), Clock()
    seen = Activations(model, clock)
    orders, arrays = [], []
    for swapped in (False, True):
        model.swapped = swapped
        model(torch.ones(3, 2)).sum().backward()
        clock.step += 1
        piece = seen.drain()
        assert piece is not None
        orders.append(piece["activations"][1]["layers"])
        arrays.append(piece["activations"][0])
    assert orders == [["b", "a"], ["b", "a"]]
    assert np.isnan(arrays[0][0, 1]).all()
    assert np.isfinite(arrays[1][0, 1, :2]).all()


def test_a_closed_instrument_sees_no_more_and_keeps_what_it_saw() -> None:
    model, clock = build("mlp", seed=0), Clock()
    seen = Activations(model, clock)
    for _ in range(2):
        model(IMAGES).sum().backward()
        clock.step += 1
        seen.close()
    assert seen.arrays()["activations/steps"][0].tolist() == [1]
    assert not any(module._forward_hooks for module in model.modules())


# ── any model ──


def test_an_in_place_relu_neither_breaks_the_gradient_nor_hides_what_came_before_it() -> None:
    layers = (nn.Linear(6, 5), nn.Linear(5, 2))
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))

    def loss(out: Tensor) -> Tensor:
        return out.square().sum()

    told, weights = [], []
    for inplace in (True, False):
        model = nn.Sequential(layers[0], nn.ReLU(inplace=inplace), layers[1])
        model.zero_grad()
        told.append(one_step(model, x, loss))
        weights.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert str(told[0]) == str(told[1])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    assert told[0]["0"]["mean"] == pytest.approx(layers[0](x).mean().item(), abs=1e-6)


def test_tuples_packed_sequences_and_mappings_give_their_first_tensor() -> None:
    class Mapped(nn.Module):
        def forward(self, x: Tensor) -> dict[str, object]:
            return {"positions": torch.arange(3), "nothing": None, "values": [x * 2]}

    lstm = nn.LSTM(3, 4, batch_first=True)
    x = torch.randn(2, 5, 3)
    told = one_step(lstm, x, lambda out: out[0].sum())["LSTM"]
    assert told["mean"] == pytest.approx(lstm(x)[0].mean().item(), rel=1e-4)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2]), batch_first=True)
    told = one_step(lstm, packed, lambda out: out[0].data.sum())["LSTM"]  # type: ignore[arg-type]
    assert told["mean"] == pytest.approx(lstm(packed)[0].data.mean().item(), rel=1e-4)
    assert told["grad_rms"] == 1
    told = one_step(Mapped(), x.requires_grad_(), lambda out: out["values"][0].sum())["Mapped"]  # type: ignore[index]
    assert told["mean"] == pytest.approx(2 * x.mean().item(), rel=1e-4)


def test_layers_without_a_floating_point_tensor_are_passed_over() -> None:
    class Best(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.argmax(1)

    class Nothing(nn.Module):
        def forward(self, _x: Tensor) -> None:
            return None

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.best, self.nothing = nn.Linear(2, 2), Best(), Nothing()

        def forward(self, x: Tensor) -> Tensor:
            x = self.fc(x)
            self.nothing(self.best(x))
            return x[:0] if len(x) > 9 else x

    told = one_step(Both(), torch.ones(3, 2))
    assert np.isfinite(told["fc"]["mean"])
    assert np.isnan(told["best"]["mean"]) and np.isnan(told["nothing"]["mean"])


def test_layers_before_the_first_trainable_weight_have_no_gradient() -> None:
    model = build("mlp", seed=0)
    for parameter in model.get_submodule("fc1").parameters():
        parameter.requires_grad_(False)
    told = one_step(model, IMAGES)
    assert np.isnan(told["fc1"]["grad_rms"]) and np.isnan(told["act1"]["grad_rms"])
    assert told["out"]["grad_rms"] == 1
    assert np.isfinite(told["fc1"]["std"])


def test_attention_and_weight_norm_are_one_layer_each() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
            self.unused = nn.ParameterList([nn.Parameter(torch.ones(2))])

        def forward(self, x: Tensor) -> Tensor:
            return self.normed(self.attention(x, x, x)[0])

    told = one_step(Net(), torch.randn(2, 5, 4))
    assert list(told) == ["attention", "normed"]
    assert all(np.isfinite(numbers["grad_rms"]) for numbers in told.values())


def test_half_precision_is_added_up_in_single() -> None:
    x = torch.rand(50, 41, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    told = one_step(nn.Dropout(0.0), x * 1, lambda out: (out * out.detach()).sum())["Dropout"]
    exact = x.detach().double()
    assert told["mean"] == pytest.approx(exact.mean().item(), rel=1e-5)  # bfloat16 itself has two to three digits
    assert told["std"] == pytest.approx(exact.std(correction=0).item(), rel=1e-5)
    assert told["grad_rms"] == pytest.approx(exact.square().mean().sqrt().item(), rel=1e-5)


def test_double_precision_stays_double() -> None:
    model, clock = build("mlp", seed=0).double(), Clock()
    seen = Activations(model, clock)
    model(IMAGES.double()).sum().backward()
    clock.step += 1
    array, _ = seen.arrays()["activations"]
    assert array.dtype == np.float64
    out = model(IMAGES.double())
    assert read(seen)["out"]["mean"][0] == pytest.approx(out.mean().item(), rel=1e-12)


def test_a_loss_that_was_scaled_tells_its_own_gradient() -> None:
    model, clock = build("mlp", seed=0), Clock()
    factor = torch.tensor(65536.0)
    seen = Activations(model, clock, scale=lambda: factor)
    (model(IMAGES).sum() * factor).backward()
    factor.mul_(2)  # as a GradScaler does, in place and after the step
    clock.step += 1
    assert read(seen)["out"]["grad_rms"].tolist() == [1]


def test_a_gradient_that_is_not_finite_shows_as_such() -> None:
    told = one_step(build("mlp", seed=0), IMAGES, lambda out: out.sum() * torch.inf)
    assert told["out"]["grad_rms"] == np.inf


def test_per_example_gradients_of_torch_func_pass_through() -> None:
    model, clock = nn.Sequential(nn.Linear(3, 2), nn.ReLU()), Clock()
    x = torch.randn(5, 3)

    def loss(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
        return torch.func.functional_call(model, parameters, (one[None],)).sum()

    def per_example() -> dict[str, Tensor]:
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)

    alone = per_example()
    seen = Activations(model, clock)
    watched = per_example()
    clock.step += 1
    assert all(torch.equal(alone[name], watched[name]) for name in alone)
    assert all(np.isnan(v).all() for numbers in read(seen).values() for v in numbers.values())


def test_names_choose_layers_and_whole_blocks_and_unknown_ones_get_the_nearest() -> None:
    model = nn.Sequential()
    model.add_module("block", nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    model.add_module("head", nn.Linear(3, 1))
    assert list(one_step(model, torch.ones(3, 2), layers=["head", "block"])) == ["block", "head"]
    with pytest.raises(UnknownName, match="unknown layer 'haed'. Did you mean 'head'"):
        Activations(model, Clock(), ["haed"])
    with pytest.raises(UsageError, match="names nothing"):
        Activations(model, Clock(), [])


# ── compiled ──


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.relu, self.b = nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.relu(self.a(x)))


class Counted:
    """A backend that counts graphs and their operations, and runs them as they are."""

    def __init__(self) -> None:
        self.graphs, self.operations = 0, 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> Callable[..., object]:
        self.graphs += 1
        self.operations += sum(node.op.startswith("call") for node in graph.graph.nodes)
        return graph.forward


@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of itself
@pytest.mark.parametrize("order", ["before", "after", "late", "in place", "in place, late"])
def test_a_compiled_graph_stays_whole_and_its_layers_are_named_as_unseen(order: str) -> None:
    def run(watched: bool) -> tuple[Counted, Activations | None, Tensor]:
        torch.compiler.reset()
        torch.manual_seed(0)
        model, counted, clock = Small(), Counted(), Clock()
        x = torch.randn(3, 4)
        seen = Activations(model, clock) if watched and order == "before" else None
        if "in place" in order:
            model.compile(backend=counted)
        run = model if "in place" in order else torch.compile(model, backend=counted, fullgraph=True)
        if "late" in order:
            run(x)
        if watched and order != "before":
            seen = Activations(run, clock)  # type: ignore[arg-type]
        run(x).sum().backward()
        clock.step += 1
        assert model.a.weight.grad is not None
        return counted, seen, model.a.weight.grad

    (alone, _, expected), (watched, seen, grad) = run(False), run(True)
    assert seen is not None
    assert (watched.graphs, watched.operations) == (alone.graphs, alone.operations)
    assert torch.equal(grad, expected)
    assert seen.compiled == ("a", "relu", "b")
    assert seen.arrays()["activations"][1]["compiled"] == ["a", "relu", "b"]
    assert seen.arrays()["activations/steps"][0].tolist() == []


@pytest.mark.filterwarnings("ignore")
def test_of_a_model_compiled_in_part_the_rest_is_seen() -> None:
    torch.compiler.reset()
    model = Small()
    model.a.compile(backend=Counted())
    told = one_step(model, torch.randn(3, 4))
    assert list(told) == ["relu", "b", "a"]
    assert np.isnan(told["a"]["mean"]) and np.isfinite(told["b"]["grad_rms"])


# ── neutral ──


class Everything(nn.Module):
    """Batch normalisation, dropout from the global generator, recurrence, in-place activations, a part in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.3)
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.out = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, 28, 28) → (B, 10)
        x = self.drop(self.relu(self.norm(self.conv(x))))  # (B, 4, 8, 8)
        return self.out(self.lstm(x.mean(1))[0][:, -1])


def _train(make: Callable[[], nn.Module], watched: bool) -> dict[str, Tensor]:
    torch.manual_seed(3)
    model, clock = make(), Clock(every=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    seen = Activations(model, clock) if watched else None
    for _ in range(9):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        clock.step += 1
        if seen is not None:
            seen.drain()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for number, kept in optimizer.state_dict()["state"].items():
        state |= {f"{number}.{name}": value for name, value in kept.items()}
    return {**state, "random": torch.get_rng_state()}


@pytest.mark.parametrize("name", ["mlp", "lenet", "tiny-cnn", "cnn2", "everything"])
def test_a_run_with_it_ends_bit_for_bit_like_one_without(name: str) -> None:
    make = Everything if name == "everything" else lambda: build(name, seed=4)
    watched, alone = _train(make, True), _train(make, False)
    assert watched.keys() == alone.keys()
    assert [key for key in alone if not torch.equal(watched[key], alone[key])] == []


def test_no_graph_is_kept_alive() -> None:
    model, clock = build("lenet", seed=0), Clock()
    assert isinstance(model, nn.Sequential)
    seen = Activations(model, clock)
    left: list[weakref.ref[Tensor]] = []

    def keep(_module: nn.Module, _arguments: object, output: Tensor) -> None:
        left.append(weakref.ref(output))

    for layer in model:  # the graph holds what it needs of these, so that they live as long as it
        layer.register_forward_hook(keep)
    gc.disable()  # so that only what nobody holds is gone
    try:
        for _ in range(3):
            model(IMAGES.clone()).sum().backward()
            model(IMAGES.clone())  # a pass that no backward follows is not kept either
            clock.step += 1
        assert len(left) == 6 * 11
        assert [kept for kept in left if kept() is not None] == []
    finally:
        gc.enable()
    assert len(seen.arrays()["activations/steps"][0]) == 3


def test_no_hook_stays_on_a_tensor_that_outlives_the_step() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self) -> Tensor:
            return self.weight

    model, clock = Table(), Clock()
    seen = Activations(model, clock)
    for _ in range(3):
        model().sum().backward()
        clock.step += 1
    assert not model.weight._backward_hooks
    assert read(seen)["Table"]["mean"].tolist() == [1, 1, 1]
