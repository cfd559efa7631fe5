"""Ftrl: its check values, what its first step does to a start, and what it is after that: Adagrad."""

import math

import pytest
import torch
from torch import nn

from passo.errors import TrainingError
from passo.optim.keras import Adagrad, Ftrl


def steps(make, start, gradients):
    """The weights before and after every step; float64."""
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = make([weight])
    seen = [weight.detach().clone()]
    for grad in gradients:
        weight.grad = torch.as_tensor(grad, dtype=torch.float64)
        optimizer.step()
        seen.append(weight.detach().clone())
    return seen


def random_gradients(n):
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(n, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 0.01, 0.0001]))


def test_the_check_values_of_keras_are_met():
    path = steps(lambda p: Ftrl(p, lr=0.1), [1.0, -2.0, 3.0], [[0.5, -0.1, 2.0]] * 3)
    assert path[-1].tolist() == pytest.approx([0.2621798, -0.00632116, 2.304937], rel=1e-6)


def test_the_weights_minimise_the_regularised_sum_that_follow_the_leader_minimises():
    """w = argmin Σ g·w + ½Σ σ‖w − wₛ‖² + l1‖w‖₁ + l2‖w‖², the first proximal term centred at 0: a search agrees."""
    l1, l2, lr, a0 = 0.3, 0.2, 0.5, 0.1
    grads = [0.7, -0.4, 1.1, 0.2]
    path = steps(lambda p: Ftrl(p, lr=lr, l1=l1, l2=l2), [1.5], [[g] for g in grads])
    candidates = torch.linspace(-3, 3, 600_001, dtype=torch.float64)
    total, centre_terms, n = torch.zeros_like(candidates), [(math.sqrt(a0) / lr, 0.0)], a0
    for grad, at in zip(grads, path, strict=False):
        total += grad * candidates
        centre_terms.append(((math.sqrt(n + grad**2) - math.sqrt(n)) / lr, at.item()))
        n += grad**2
    for sigma, centre in centre_terms:
        total += sigma / 2 * (candidates - centre) ** 2
    total += l1 * candidates.abs() + l2 * candidates**2
    assert path[-1].item() == pytest.approx(candidates[total.argmin()].item(), abs=2e-5)


@pytest.mark.parametrize(("grad", "kept"), [(0.01, 0.0004996), (0.1, 0.0465), (1.0, 0.698), (0.0, 0.0)])
def test_the_first_step_keeps_this_share_of_a_weight(grad, kept):
    after = steps(lambda p: Ftrl(p, lr=1e-12), [1.0], [[grad]])[1].item()
    assert after == pytest.approx(kept, rel=1e-3, abs=1e-9)
    assert kept == pytest.approx(1 - math.sqrt(0.1 / (0.1 + grad**2)), rel=1e-3)


def test_from_the_second_step_on_it_is_adagrad():
    grads = random_gradients(50)
    path = steps(lambda p: Ftrl(p, lr=0.1), [1.0, -2.0, 3.0], grads)
    weight, n = path[1].clone(), 0.1 + grads[0] ** 2
    for grad in grads[1:]:
        n = n + grad**2
        weight = weight - 0.1 * grad / n.sqrt()
    assert torch.allclose(path[-1], weight, rtol=1e-9, atol=1e-12)


def test_with_its_start_kept_it_is_adagrad_from_the_first_step():
    grads = random_gradients(50)
    kept = steps(lambda p: Ftrl(p, lr=0.1, keep_start=True), [1.0, -2.0, 3.0], grads)
    adagrad = steps(lambda p: Adagrad(p, lr=0.1, eps=0.0), [1.0, -2.0, 3.0], grads)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(kept, adagrad, strict=True))


def test_a_kept_start_survives_a_step_without_slope_whatever_beta_is():
    for beta in (0.0, 0.7):
        path = steps(lambda p: Ftrl(p, keep_start=True, beta=beta), [1.0, -2.0], [[0.0, 0.0]])  # noqa: B023
        assert torch.allclose(path[1], path[0], rtol=1e-12)


def test_a_new_learning_rate_scales_the_weights_with_it():
    """z = −√n/lr·θ was made with the old rate, and the closed form reads it with the new one."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = Ftrl([weight], lr=0.1, keep_start=True)
    weight.grad = torch.zeros(2, dtype=torch.float64)
    optimizer.step()
    assert weight.tolist() == pytest.approx([1.0, -2.0])
    optimizer.param_groups[0]["lr"] = 0.01
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.1, -0.2])


def test_weight_decay_hardly_acts_and_adagrads_does():
    """The closed form reads z, which does not decay; only the tie σ is made with the decayed weights."""
    grads = [grad * 0.1 for grad in random_gradients(100)]
    left = {}
    for cls, options in ((Ftrl, {"keep_start": True}), (Adagrad, {"eps": 0.0})):
        plain, decayed = (
            steps(lambda p: cls(p, lr=0.1, weight_decay=rate, **options), [1.0, -2.0, 3.0], grads)[-1]  # noqa: B023
            for rate in (0.0, 1.0)
        )
        left[cls] = (decayed.norm() / plain.norm()).item()
    assert left[Ftrl] > 0.95 and left[Adagrad] < 0.05


def test_l1_makes_exact_zeros():
    end = steps(lambda p: Ftrl(p, lr=0.1, l1=1.0), [1.0, 1.0], [[0.01, 2.0]] * 3)[-1]
    assert end[0] == 0 and end[1] != 0


def test_a_learning_rate_of_zero_is_told_in_one_sentence():
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    with pytest.raises(TrainingError, match="divides by its learning rate, and lr is 0"):
        Ftrl([weight], lr=0.0).step()


def test_an_accumulator_that_starts_at_zero_makes_nan_of_a_weight_without_slope_as_in_keras():
    end = steps(lambda p: Ftrl(p, initial_accumulator_value=0.0), [1.0, 1.0], [[0.0, 1.0]])[-1]
    assert end.isnan().tolist() == [True, False]
