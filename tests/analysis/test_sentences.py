"""Sentences, their ranges and their verdicts: words and numbers say one thing, and noise alone rarely holds."""

import math

import numpy as np
import pytest

from passo.analysis.intervals import t_quantile
from passo.analysis.sentences import Said, tried
from passo.errors import UsageError

HIGHER = Said("the accuracy", "higher", "with a", "with b", unit="points")
LOWER = Said("the accuracy", "lower", "with a", "with b", unit="points")
NEAR = Said("the accuracy", "not lower", "with a", "with b", margin=0.02, unit="points")
LAW = Said("the exponent", "about", value=-1.0, margin=0.05)


def values(mean: float, spread: float = 0.001, n: int = 10) -> dict[int, float]:
    """Of exactly this mean and standard deviation."""
    noise = np.random.default_rng(3).standard_normal(n)
    return {i: mean + spread * float((each - noise.mean()) / noise.std(ddof=1)) for i, each in enumerate(noise)}


def test_a_sentence_and_its_opposite_never_hold_at_once() -> None:
    for mean in (-0.1, -0.001, 0.0, 0.001, 0.1):
        verdicts = [tried(said, values(mean), 1).verdict for said in (HIGHER, LOWER)]
        assert sorted(verdicts) in (["does not hold", "holds"], ["cannot be told", "cannot be told"])
    assert tried(HIGHER, values(0.1), 1).verdict == "holds"
    assert tried(HIGHER, values(-0.1), 1).verdict == "does not hold"


def test_at_most_so_much_lower_bears_a_small_loss_and_no_large_one() -> None:
    assert NEAR.words == "the accuracy is at most 2 points lower with a than with b"
    assert [tried(NEAR, values(mean), 1).verdict for mean in (0.3, -0.01, -0.02, -0.03)] == [
        "holds", "holds", "cannot be told", "does not hold",
    ]  # fmt: skip


def test_about_a_value_holds_inside_the_margin_alone() -> None:
    assert LAW.words == "the exponent is −1 ± 0.05"
    assert [tried(LAW, values(mean), 1).verdict for mean in (-1.0, -0.96, -0.9, -1.05)] == [
        "holds", "holds", "does not hold", "cannot be told",
    ]  # fmt: skip


def test_words_that_would_contradict_their_numbers_cannot_be_built() -> None:
    with pytest.raises(UsageError, match="compares first with second"):
        Said("the accuracy", "higher")
    with pytest.raises(UsageError, match="compares first with second"):
        Said("the exponent", "about", "with a", "with b", value=1, margin=0.1)
    with pytest.raises(UsageError, match="a margin above 0 belongs to"):
        Said("the accuracy", "higher", "with a", "with b", margin=0.01)
    with pytest.raises(UsageError, match="a margin above 0 belongs to"):
        Said("the exponent", "about", value=-1)
    with pytest.raises(UsageError, match="a value belongs to 'about' alone"):
        Said("the accuracy", "lower", "with a", "with b", value=0.1)


def test_the_interval_is_students_at_one_minus_five_percent_over_the_count() -> None:
    column = np.array(list(values(0.4, 0.1, 7).values()))
    found = tried(HIGHER, dict(enumerate(column)), 25).found
    half = t_quantile(1 - 0.025 / 25, 6) * column.std(ddof=1) / math.sqrt(7)
    assert (found.low, found.high) == pytest.approx((column.mean() - half, column.mean() + half))


def test_what_cannot_be_told_says_about_how_many_seeds_would_tell() -> None:
    """With so many seeds of the same spread, the interval of a mean like this one leaves out the end."""
    found = tried(HIGHER, values(0.001, 0.003), 5)
    assert found.told().startswith("cannot be told; seeds needed: about ")
    assert found.needed is not None and found.needed.about is not None
    assert tried(HIGHER, values(0.001, 0.003, 2 * found.needed.about), 5).verdict == "holds"
    assert tried(HIGHER, values(0.001, 0.003, found.needed.about // 4), 5).verdict == "cannot be told"


def test_one_seed_and_a_seed_without_a_number_tell_nothing() -> None:
    assert tried(HIGHER, {0: 0.5}, 1).told() == "cannot be told from one seed"
    assert tried(HIGHER, {0: 0.5, 1: math.nan, 2: 0.5}, 1).told() == "cannot be told: 1 of 3 seeds never came to it"
    assert tried(HIGHER, {0: 0.5, 1: math.nan}, 1).amount() == "—"
    with pytest.raises(UsageError, match="needs a number for each seed"):
        tried(HIGHER, {}, 1)


def test_a_ratio_is_told_as_a_factor_and_points_as_points() -> None:
    ratio = Said("the time", "higher", "with a", "with b", unit="ratio")
    doubled = tried(ratio, {seed: math.log(2.0 + 0.1 * (seed - 2)) for seed in range(5)}, 1)
    assert doubled.amount().startswith("2.0 × [1.") or doubled.amount().startswith("1.99")
    assert tried(HIGHER, values(0.031), 1).amount().startswith("+3.1")
    assert " points [" in tried(HIGHER, values(0.031), 1).amount()
    assert tried(HIGHER, values(0.031), 1).agreeing == 10


def test_noise_alone_lets_at_least_one_of_25_sentences_hold_in_few_trials() -> None:
    """Of 400 trials of 25 sentences about nothing, at most 5 % have any verdict but "cannot be told"."""
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(400):
        columns = random.standard_normal((25, 10))
        verdicts = {tried(HIGHER, dict(enumerate(map(float, column))), 25).verdict for column in columns}
        wrong += verdicts != {"cannot be told"}
    assert wrong / 400 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
