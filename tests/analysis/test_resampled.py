"""Coverage of the intervals of paired differences, simulated; and the bootstrap against a naive one."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from invented import invented

from passo.analysis import compare
from passo.analysis.intervals import t_quantile, t_tails
from passo.analysis.resampled import FROM, bootstrap_t, mean_test

Law = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
LAWS: dict[str, tuple[Law, float]] = {  # with their true means
    "normal": (lambda random, shape: random.standard_normal(shape), 0.0),
    "a little skewed": (lambda random, shape: random.chisquare(8, shape), 8.0),
    "skewed": (lambda random, shape: random.exponential(size=shape), 1.0),
}


def covered(law: str, n: int, trials: int, draws: int = 999) -> float:
    """How often the 95 % interval of n values holds the true mean."""
    draw, mean = LAWS[law]
    values = draw(np.random.default_rng(n), (n, trials))
    _, low, high, _ = mean_test(values) if n < FROM else bootstrap_t(values, draws=draws)
    return float(((low <= mean) & (mean <= high)).mean())


@pytest.mark.parametrize("n", [3, 5, 10, 20, 40])
@pytest.mark.parametrize("law", ["normal", "a little skewed"])
def test_a_95_percent_interval_holds_the_true_difference_in_93_of_100_studies_or_more(law: str, n: int) -> None:
    assert covered(law, n, 4000) >= 0.93


@pytest.mark.parametrize("n", [20, 40])
def test_of_skewed_differences_the_bootstrap_covers_93_percent_from_20_seeds_on(n: int) -> None:
    assert covered("skewed", n, 4000) >= 0.93


def test_below_20_seeds_skewed_differences_are_covered_less_as_the_documents_say() -> None:
    assert [round(covered("skewed", n, 20_000), 2) for n in (3, 5, 10)] == pytest.approx([0.89, 0.88, 0.90], abs=0.011)


def test_a_percentile_bootstrap_would_cover_far_less_with_few_seeds() -> None:
    random = np.random.default_rng(0)
    for n, least, most in (
        (3, 0.70, 0.79),
        (5, 0.80, 0.87),
    ):  # the 74 % and 83 % that the choice of Student's t rests on
        values = random.standard_normal((n, 2000))
        places = random.integers(0, n, (499, n))
        low, high = np.quantile(values[places].mean(1), [0.025, 0.975], axis=0)
        assert least < ((low <= 0) & (high >= 0)).mean() < most


def test_the_bootstrap_is_the_one_of_the_book_drawn_naively() -> None:
    values = np.random.default_rng(5).exponential(size=24)
    mean, low, high, p = (float(found[0]) for found in bootstrap_t(values[:, None]))
    random, error = np.random.default_rng(99), values.std(ddof=1) / math.sqrt(24)
    t = []
    for _ in range(20_000):
        again = random.choice(values, 24)
        t.append((again.mean() - values.mean()) / (again.std(ddof=1) / math.sqrt(24)))
    above, below = np.quantile(t, [0.975, 0.025])
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(values.mean() - above * error, abs=0.06 * error)
    assert high == pytest.approx(values.mean() - below * error, abs=0.15 * error)  # the long tail is the noisy one
    assert p < 0.05


def test_the_p_of_the_bootstrap_is_below_5_percent_where_its_interval_leaves_out_0() -> None:
    values = np.random.default_rng(1).standard_normal((25, 400)) + 0.4
    _, low, high, p = bootstrap_t(values)
    outside = (low > 0) | (high < 0)
    assert 50 < outside.sum() < 350
    assert ((p <= 0.05) == outside).mean() > 0.995  # but for draws right at the end


def test_students_p_is_twice_the_tail_of_the_printed_table() -> None:
    assert t_tails(4.30265, 2) == pytest.approx(0.05, abs=1e-6)
    assert t_tails(-2.26216, 9) == pytest.approx(0.05, abs=1e-6)
    assert t_tails(math.inf, 3) == 0
    values = np.array([[1.0], [2.0], [4.0]])
    assert mean_test(values)[3][0] == pytest.approx(t_tails(7 / 3 / (values.std(ddof=1) / math.sqrt(3)), 2))


def test_with_many_ties_an_end_is_infinite_and_equal_differences_are_certain() -> None:
    one_differs = np.array([[0.0]] * 19 + [[1.0]])  # a third of all draws hold zeros only
    _, low, high, _ = bootstrap_t(one_differs)
    assert math.isinf(high[0]) and low[0] <= 0
    assert [float(found[0]) for found in bootstrap_t(np.full((20, 1), 0.5))] == [0.5, 0.5, 0.5, 0.0]
    assert float(bootstrap_t(np.zeros((20, 1)))[3][0]) == 1.0


def test_one_that_is_not_finite_has_no_interval_and_does_not_touch_its_neighbours() -> None:
    values = np.random.default_rng(2).standard_normal((20, 2))
    alone = bootstrap_t(values[:, 1:])
    values[3, 0] = np.nan
    both = bootstrap_t(values)
    assert all(math.isnan(found[0]) for found in both)
    assert [float(found[1]) for found in both] == [float(found[0]) for found in alone]


def test_compare_takes_students_t_below_20_seeds_and_the_bootstrap_from_there(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    a, b = random.exponential(size=(2, 20))
    study = invented(tmp_path / "s", {n: [{"test/loss": [v]} for v in c] for n, c in (("a", a), ("b", b))})
    found = compare(study, "test/loss").difference("a", "b")
    assert (found.low, found.high) == tuple(float(end[0]) for end in bootstrap_t((a - b)[:, None])[1:3])
    assert found.half != pytest.approx(t_quantile(0.975, 19) * (a - b).std(ddof=1) / math.sqrt(20))
    assert "studentised bootstrap" in compare(study, "test/loss").table().note
