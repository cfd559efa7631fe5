"""Batches are the DataLoader's, bit for bit, and so is what they take from the random generator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from passo.data import Augmentation, Batches, Scaling
from passo.errors import ConfigError

Make = Callable[[torch.Generator | None], Iterable[Any]]


def data(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(n * 6.0).view(n, 1, 2, 3), torch.arange(n) % 3


def makers(mode: str, n: int, batch_size: int, drop_last: bool) -> tuple[Make, Make]:
    """(passo's, torch's) for one row of the table."""
    x, y = data(n)
    weights = torch.arange(1.0, n + 1)

    def ours(g: torch.Generator | None) -> Batches:
        chosen = weights if mode == "weighted" else None
        return Batches(x, y, batch_size, shuffle=mode == "shuffled", weights=chosen, generator=g, drop_last=drop_last)

    def theirs(g: torch.Generator | None) -> DataLoader[Any]:
        sampler = WeightedRandomSampler(weights.tolist(), n, replacement=True, generator=g)
        how: dict[str, Any] = {"sampler": sampler} if mode == "weighted" else {"shuffle": mode == "shuffled"}
        return DataLoader(TensorDataset(x, y), batch_size, generator=g, drop_last=drop_last, **how)

    return ours, theirs


def record(make: Make, explicit: bool, stops: Iterable[int | None]) -> list[Any]:
    """Epoch by epoch: each batch, and both generators' next number after it, drawn as a dropout would draw it."""
    torch.manual_seed(3)
    g = torch.Generator().manual_seed(5) if explicit else None
    batches, seen = make(g), []
    for stop in stops:
        for number, (x, y) in enumerate(batches):
            drawn = torch.rand(()).item(), torch.rand((), generator=g).item()
            seen.append((x.tolist(), y.tolist(), drawn))
            if number == stop:
                break
        seen.append((torch.rand(()).item(), torch.rand((), generator=g).item()))
    return seen


@pytest.mark.parametrize("explicit", [False, True], ids=["default generator", "own generator"])
@pytest.mark.parametrize("mode", ["shuffled", "weighted", "sequential"])
def test_the_batches_and_the_draws_are_the_data_loaders_over_three_epochs(mode: str, explicit: bool) -> None:
    for n, batch_size, drop_last in itertools.product((1, 7, 12, 33), (1, 3, 4, 7, 12), (False, True)):
        if batch_size <= n:
            ours, theirs = makers(mode, n, batch_size, drop_last)
            expected = record(theirs, explicit, [None] * 3)
            assert record(ours, explicit, [None] * 3) == expected, (n, batch_size, drop_last)


@pytest.mark.parametrize("explicit", [False, True], ids=["default generator", "own generator"])
@pytest.mark.parametrize("mode", ["shuffled", "weighted", "sequential"])
def test_a_break_in_an_epoch_leaves_the_generators_where_the_data_loader_leaves_them(mode: str, explicit: bool) -> None:
    for n, batch_size, drop_last in itertools.product((7, 12), (3, 4), (False, True)):
        ours, theirs = makers(mode, n, batch_size, drop_last)
        for stop in range(4):  # in the middle, at the last full batch, at the last one
            stops = [stop, None, stop]
            assert record(ours, explicit, stops) == record(theirs, explicit, stops), (n, batch_size, stop)


def test_an_iterator_that_is_never_asked_has_drawn_what_the_data_loaders_has() -> None:
    for explicit in (False, True):
        ours, theirs = makers("shuffled", 7, 2, False)
        after = []
        for make in (ours, theirs):
            torch.manual_seed(3)
            g = torch.Generator().manual_seed(5) if explicit else None
            iter(make(g))
            after.append((torch.rand(()).item(), torch.rand((), generator=g).item()))
        assert after[0] == after[1]


def test_balanced_weights_are_float32_reciprocals_of_the_class_counts() -> None:
    labels = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2])
    weights = Batches(labels.float(), labels, 2, weights="balanced").weights
    assert weights is not None and weights.dtype == torch.float64
    assert weights[1].item() == torch.tensor(1 / 3, dtype=torch.float32).item() != 1 / 3


def test_balanced_batches_show_the_classes_about_equally_often() -> None:
    labels = torch.tensor([0] * 900 + [1] * 100)
    g = torch.Generator().manual_seed(0)
    ones = sum(int(y.sum()) for _, y in Batches(labels.float(), labels, 100, weights="balanced", generator=g))
    assert 430 < ones < 570  # 500 ± 4.4 standard deviations; 100 if the weights were ignored


def test_a_pass_in_order_copies_nothing_and_other_passes_leave_the_data_alone() -> None:
    x, y = data(10)
    before = x.clone()
    for start, (a, b) in zip(range(0, 10, 4), Batches(x, y, 4, shuffle=False), strict=True):
        assert a.data_ptr() == x[start:].data_ptr() and b.data_ptr() == y[start:].data_ptr()
    for a, _ in Batches(x, y, 4):
        a.zero_()
    assert torch.equal(x, before)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shuffle", [False, True])
def test_channels_last_images_give_channels_last_batches(channels: int, shuffle: bool) -> None:
    x = torch.rand(10, channels, 4, 5).to(memory_format=torch.channels_last)
    for a, y in Batches(x, torch.arange(10), 4, shuffle=shuffle):
        assert a.stride() == x.stride() and torch.equal(a, x[y])


def test_plain_images_give_plain_batches() -> None:
    x = torch.rand(10, 3, 4, 5)
    assert all(a.is_contiguous() and torch.equal(a, x[y]) for a, y in Batches(x, torch.arange(10), 4))


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_batches_follow_their_data_to_another_device_and_keep_their_generator(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x, y = data(10)
    here = Batches(x, y, 4, generator=torch.Generator().manual_seed(1))
    there = here.to(device)
    assert there.generator is here.generator and len(there) == 3
    drawn = list(there)
    assert [b.device.type for _, b in drawn] == [device] * 3
    if device == "cuda":
        again = list(Batches(x, y, 4, generator=torch.Generator().manual_seed(1)))
        assert all(torch.equal(a.cpu(), b) for (a, _), (b, _) in zip(drawn, again, strict=True))


def test_the_length_is_the_number_of_batches() -> None:
    x, y = data(10)
    for size, drop_last in itertools.product((1, 3, 5, 10), (False, True)):
        for shuffle in (False, True):
            batches = Batches(x, y, size, shuffle=shuffle, drop_last=drop_last)
            assert len(batches) == len(list(batches))


def test_an_evaluation_may_ask_for_more_than_there_is() -> None:
    x, y = data(10)
    assert [len(b) for _, b in Batches(x, y, 1000, shuffle=False)] == [10]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 0}, "from 1 to 10"),
        ({"batch_size": 11}, "from 1 to 10, the whole set, got 11"),
        ({"batch_size": 2.0}, "whole number"),
        ({"batch_size": True}, "whole number"),
        ({"labels": torch.zeros(9)}, "got 10 images, 9 labels"),
        ({"weights": [1.0] * 9}, "each of the 10 images"),
        ({"weights": [-1.0] + [1.0] * 9}, "none below 0"),
        ({"weights": [0.0] * 10}, "not all 0"),
        ({"weights": [float("nan")] * 10}, "finite"),
        ({"weights": "equal"}, "'balanced'"),
        ({"weights": "balanced", "labels": torch.zeros(10)}, "class numbers"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict[str, Any], said: str) -> None:
    x, y = data(10)
    arguments = {"images": x, "labels": y, "batch_size": 4, **change}
    with pytest.raises(ConfigError, match=said):
        Batches(**arguments)


# ── Augmentation ──────────────────────────────────────────────────────────────────────────────────────────


def test_augmented_batches_are_the_plain_ones_changed_by_epoch_and_place() -> None:
    images, labels = torch.rand(10, 3, 4, 4), torch.arange(10)

    def told(x: torch.Tensor, epoch: int, places: torch.Tensor) -> torch.Tensor:
        return x + 100 * epoch + places.view(-1, 1, 1, 1)

    def batches(augment: Any = None, **options: Any) -> Batches:
        return Batches(images, labels, 4, generator=torch.Generator().manual_seed(0), augment=augment, **options)

    for options in ({}, {"shuffle": False}, {"weights": [1.0] * 10}):
        plain, changed = batches(**options), batches(told, **options)
        for epoch in range(2):
            place = 0
            for (x, y), (augmented, same) in zip(plain, changed, strict=True):
                naive = x + 100 * epoch + torch.arange(place, place + len(x)).view(-1, 1, 1, 1)
                assert torch.equal(augmented, naive) and torch.equal(y, same)
                place += len(x)
        assert changed.epoch == 2 == changed.to("cpu").epoch


def test_an_epoch_that_is_gone_back_to_is_augmented_as_before() -> None:
    jitter = Augmentation({"shift": 1, "gaussian-noise": 0.1}, Scaling("normalize"), seed=0)
    batches = Batches(torch.rand(6, 1, 5, 5), torch.arange(6), 2, shuffle=False, augment=jitter)
    first, second = ([x for x, _ in batches] for _ in range(2))
    first, second = list(first), list(second)
    batches.epoch = 1
    assert all(torch.equal(a, b) for a, b in zip(second, [x for x, _ in batches], strict=True))
    assert not torch.equal(first[0], second[0])
