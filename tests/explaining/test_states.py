"""Recurrent states, step by step, as the cells' own equations give them; and codes of an autoencoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from passo.analysis.codes import code_map, neighbours_agree
from passo.errors import UsageError
from passo.explaining import hidden_states, latent_codes
from passo.models import build

X = torch.rand(6, 3, generator=torch.Generator().manual_seed(2)) - 0.5


def parts(layer: nn.RNNBase) -> list[np.ndarray]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [getattr(layer, name).detach().double().numpy() for name in names]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def walked(kind: str, layer: nn.RNNBase, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """h₁ … h_T and c₁ … c_T by the equations (torch 2.13, nn/modules/rnn.py), one step after the other."""
    w, u, b, d = parts(layer)
    h = c = np.zeros(layer.hidden_size)
    hs, cs = [], []
    for step in x:
        if kind == "rnn":
            h = np.tanh(w @ step + b + u @ h + d)
        elif kind == "lstm":
            i, f, g, o = np.split(w @ step + b + u @ h + d, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            (ri, zi, ni), (rh, zh, nh) = np.split(w @ step + b, 3), np.split(u @ h + d, 3)
            z = sigmoid(zi + zh)
            h = (1 - z) * np.tanh(ni + sigmoid(ri + rh) * nh) + z * h
        hs.append(h)
        cs.append(c)
    return np.array(hs), np.array(cs)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_states_are_those_of_the_equations_and_the_last_one_gives_the_answer(kind: str) -> None:
    model = build(kind, (6, 3), 4, seed=1, hidden=5)
    found = hidden_states(model, X)
    hidden, cell = walked(kind, model.rnn1, X.double().numpy())
    assert found.hidden == pytest.approx(hidden, abs=1e-6)
    assert (found.cell is None) == (kind != "lstm")
    if found.cell is not None:
        assert found.cell == pytest.approx(cell, abs=1e-6)
    assert found.outputs is not None and found.cells == kind.upper()
    for t in range(1, 7):  # what the model says of the sequence cut off after t steps
        assert found.outputs[t - 1] == pytest.approx(model(X[None, :t]).detach().numpy()[0], abs=1e-6)


def test_images_are_read_row_by_row() -> None:
    model = build("gru", (1, 4, 3), 2, seed=0, hidden=5)
    image = torch.rand(1, 4, 3)
    found = hidden_states(model, image)
    assert np.array_equal(found.inputs, image[0].numpy())
    assert found.hidden == pytest.approx(walked("gru", model.rnn1, image[0].double().numpy())[0], abs=1e-6)


def test_both_directions_are_told_apart() -> None:
    model = build("gru", (6, 3), 2, seed=0, hidden=5, bidirectional=True)
    found = hidden_states(model, X)
    assert found.backward is not None and found.outputs is None
    assert found.hidden == pytest.approx(walked("gru", model.rnn1, X.double().numpy())[0], abs=1e-6)
    reverse = nn.GRU(3, 5, batch_first=True)
    reverse.load_state_dict({n.removesuffix("_reverse"): t for n, t in model.rnn1.state_dict().items() if "_rev" in n})
    assert found.backward[::-1] == pytest.approx(walked("gru", reverse, X.double().numpy()[::-1])[0], abs=1e-6)


def test_a_lower_layer_can_be_looked_at() -> None:
    model = build("lstm", (6, 3), 2, seed=0, hidden=5, layers=2)
    found, second = hidden_states(model, X, "rnn1"), hidden_states(model, X)
    hidden, _ = walked("lstm", model.rnn1, X.double().numpy())
    assert found.outputs is None and found.hidden == pytest.approx(hidden, abs=1e-6)
    assert second.layer == "rnn2" and second.cell is not None
    assert second.cell == pytest.approx(walked("lstm", model.rnn2, hidden)[1], abs=1e-6)


class Own(nn.Module):
    """A model of somebody's own, whose recurrent layer wants steps before sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.memory(x.transpose(0, 1))[0][-1]


def test_a_model_of_one_s_own_has_states_too() -> None:
    torch.manual_seed(0)
    model = Own()
    found = hidden_states(model, X)
    hidden, cell = walked("lstm", model.memory, X.double().numpy())
    assert found.hidden == pytest.approx(hidden, abs=1e-6) and found.cell == pytest.approx(cell, abs=1e-6)
    assert found.outputs is None and found.layer == "memory"


def test_a_network_without_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="no recurrent state"):
        hidden_states(build("mlp", (6, 3), 2, seed=0), X)


def test_codes_are_the_encoder_s_and_errors_those_of_what_comes_out() -> None:
    model = build("autoencoder", (1, 4, 4), 0, seed=0, bottleneck=3, hidden=[8])
    x = torch.rand(1203, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = latent_codes(model, x, torch.arange(1203) % 2, ("a", "b"))
    assert found.bottleneck == 3 and found.codes.shape == (1203, 3)
    for n in (0, 499, 500, 1202):
        assert found.codes[n] == pytest.approx(model.encoder(x[n : n + 1]).detach().numpy()[0], abs=1e-6)
        assert found.errors[n] == pytest.approx(float((model(x[n : n + 1]) - x[n]).detach().square().mean()), abs=1e-6)
    with pytest.raises(UsageError, match="no bottleneck"):
        latent_codes(build("mlp", (1, 4, 4), 2, seed=0), x, torch.zeros(1203), ())


def test_a_code_map_shows_the_most_variance_that_two_directions_can() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(200, 5)) * (5, 1, 3, 0.5, 0.1)
    found = code_map(codes)
    values = np.sort(np.linalg.eigvalsh(np.cov(codes.T)))[::-1]
    assert found.shares == pytest.approx(tuple(values[:2] / values.sum()))
    assert found.points.var(axis=0, ddof=1) == pytest.approx(values[:2])
    flat = code_map(codes[:, :2])
    away = np.linalg.norm(codes[:, None, :2] - codes[None, :, :2], axis=-1)
    assert np.linalg.norm(flat.points[:, None] - flat.points[None], axis=-1) == pytest.approx(away)
    one = code_map(codes[:, :1])
    assert one.shares == (1.0, 0.0) and not one.points[:, 1].any()


def test_neighbours_are_counted_as_loops_count_them() -> None:
    rng = np.random.default_rng(3)
    codes, labels = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    right = 0
    for n in range(60):
        order = sorted((m for m in range(60) if m != n), key=lambda m: float(((codes[n] - codes[m]) ** 2).sum()))
        votes = [sum(labels[m] == c for m in order[:5]) for c in range(3)]
        right += votes.index(max(votes)) == labels[n]
    assert neighbours_agree(codes, labels) == right / 60
    with pytest.raises(UsageError, match="from 1 to 59"):
        neighbours_agree(codes, labels, 60)
