"""Recurrent networks: their equations, their two directions, what they read, and what they learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from passo.data import Batches
from passo.data.sequences import squares
from passo.models import build, count_parameters, dropouts, set_step

CELLS = {"rnn": 1, "lstm": 4, "gru": 3}  # sets of weights in a cell


def sequences(n: int = 5, steps: int = 6, features: int = 3) -> Tensor:
    return torch.randn(n, steps, features, generator=torch.Generator().manual_seed(0))


def by_hand(name: str, w: dict[str, Tensor], x: Tensor) -> Tensor:
    """The states of one layer in one direction, step by step, from the papers' equations: (B, T, H)."""
    width = w["weight_hh_l0"].shape[1]
    h = c = torch.zeros(len(x), width)
    states = []
    for step in range(x.shape[1]):
        a = (x[:, step] @ w["weight_ih_l0"].T + w["bias_ih_l0"]).split(width, dim=1)
        b = (h @ w["weight_hh_l0"].T + w["bias_hh_l0"]).split(width, dim=1)
        if name == "rnn":
            h = torch.tanh(a[0] + b[0])
        elif name == "gru":
            reset, update = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
            h = (1 - update) * torch.tanh(a[2] + reset * b[2]) + update * h
        else:
            i, f, g, o = (p + q for p, q in zip(a, b, strict=True))
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states, dim=1)


@pytest.mark.parametrize("name", CELLS)
def test_two_layers_are_the_equations_step_by_step_and_the_last_state_goes_to_the_output(name: str) -> None:
    model = build(name, (6, 3), 4, seed=0, hidden=5, layers=2)
    x = h = sequences()
    for layer in ("rnn1", "rnn2"):
        h = by_hand(name, dict(model.get_submodule(layer).named_parameters()), h)
    out = model.get_submodule("out")
    assert isinstance(out, nn.Linear)
    assert torch.allclose(model(x), h[:, -1] @ out.weight.T + out.bias, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_parameter_counts_are_those_by_hand(name: str) -> None:
    gates = CELLS[name]
    model = build(name, (4, 2), 3, hidden=7, layers=2, bidirectional=True)
    first, second = 2 * gates * 7 * (2 + 7 + 2), 2 * gates * 7 * (14 + 7 + 2)
    assert count_parameters(model).trainable == first + second + 3 * (14 + 1)


@pytest.mark.parametrize("name", CELLS)
def test_the_backward_half_of_the_final_state_has_read_the_sequence_from_its_end(name: str) -> None:
    model = build(name, (6, 3), 2, seed=0, hidden=5, bidirectional=True)
    x = sequences()
    named = dict(model.get_submodule("rnn1").named_parameters())
    ahead = {n: p for n, p in named.items() if not n.endswith("_reverse")}
    back = {n.removesuffix("_reverse"): p for n, p in named.items() if n.endswith("_reverse")}
    final = torch.cat([by_hand(name, ahead, x)[:, -1], by_hand(name, back, x.flip(1))[:, -1]], dim=1)
    out = model.get_submodule("out")
    assert isinstance(out, nn.Linear)
    assert torch.allclose(model(x), final @ out.weight.T + out.bias, atol=1e-6)


def test_an_image_is_read_row_by_row_with_the_channels_of_a_row_side_by_side() -> None:
    model = build("gru", (2, 5, 4), 3, seed=0, hidden=6)
    x = torch.randn(7, 2, 5, 4, generator=torch.Generator().manual_seed(1))
    rows = torch.stack([torch.cat([x[:, 0, row], x[:, 1, row]], dim=1) for row in range(5)], dim=1)  # (7, 5, 8)
    h = by_hand("gru", dict(model.get_submodule("rnn1").named_parameters()), rows)[:, -1]
    out = model.get_submodule("out")
    assert isinstance(out, nn.Linear)
    assert torch.allclose(model(x), h @ out.weight.T + out.bias, atol=1e-6)
    assert torch.equal(model(x), model(x.contiguous(memory_format=torch.channels_last)))
    assert build("lstm", hidden=8)(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_states_are_one_for_each_step_and_the_last_of_them_is_the_final_one() -> None:
    model = build("lstm", (6, 3), 2, seed=0, hidden=5)
    states, final = model.states(sequences())  # type: ignore[operator]
    assert states.shape == (5, 6, 5)
    assert torch.equal(states[:, -1], final)


def test_dropout_is_between_layers_and_before_the_output_and_draws_from_nothing_global() -> None:
    model = build("gru", (6, 3), 2, seed=0, hidden=5, layers=2, dropout=0.5)
    layers, x, before = dropouts(model), sequences(), torch.get_rng_state()
    assert [d.layer for d in layers] == [1, 2]
    seen: dict[str, tuple[int, ...]] = {}
    for number in (1, 2):
        drop = model.get_submodule(f"drop{number}")
        drop.register_forward_hook(lambda _m, _x, y, n=number: seen.update({f"drop{n}": tuple(y.shape)}))
    set_step(layers, 0, 1)
    first, second = model(x), model(x)
    assert seen == {"drop1": (5, 6, 5), "drop2": (5, 5)}
    set_step(layers, 0, 1)
    assert torch.equal(model(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())
    plain = build("gru", (6, 3), 2, seed=0, hidden=5, layers=2)
    assert torch.equal(model.eval()(x), plain(x))


@pytest.mark.parametrize("options", [{}, {"layers": 2, "bidirectional": True, "dropout": 0.1}])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_learns_which_way_round_a_square_goes(name: str, options: dict[str, object]) -> None:
    train, test = squares(512, noise=0.3, seed=1), squares(1000, noise=0.3, seed=2)
    model = build(name, (4, 2), 2, seed=0, hidden=8, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = Batches(train.points, train.labels, 32, generator=torch.Generator().manual_seed(0))
    for _ in range(12):
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = float((model(test.points).argmax(1) == test.labels).float().mean())
    assert accuracy > 0.95
