"""Range tests over seeds, and their verification: intervals, and verdicts that say what the numbers say."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from passo.analysis import RangeCheck, RangeCurve, RangeSummary, range_check, range_summary, rules_agree, t_quantile
from passo.errors import StoreError
from passo.store import Store, open_study

LR = np.geomspace(1e-5, 1, 101)


def curve(seed: int, suggestions: dict[str, float], length: int = 101, level: float = 0.0) -> RangeCurve:
    smoothed = np.linspace(2, 1, length) + level
    stopped = float(LR[length - 1]) if length < 101 else None
    drawn = {"initialisation": "same", "batch order": str(seed), "dropout": ""}
    return RangeCurve(
        seed, LR[:length], smoothed, smoothed, suggestions.get("steepest", math.nan), stopped, suggestions, drawn
    )


def summary(*rates: dict[str, float], **options: str) -> RangeSummary:
    return RangeSummary("net", tuple(curve(i, each) for i, each in enumerate(rates)), **options)


def test_an_interval_is_the_t_interval_of_the_logarithms() -> None:
    found = summary({"steepest": 0.001, "valley": 0.01}, {"steepest": 0.004}, {"steepest": 0.002, "valley": 0.02})
    steepest, valley = found.suggestions
    logs = [math.log(rate) for rate in (0.001, 0.004, 0.002)]
    mean = sum(logs) / 3
    half = t_quantile(0.975, 2) * math.sqrt(sum((x - mean) ** 2 for x in logs) / 2 / 3)
    assert steepest.mean == found.suggestion == pytest.approx(math.exp(mean))
    assert (steepest.low, steepest.high) == (pytest.approx(math.exp(mean - half)), pytest.approx(math.exp(mean + half)))
    assert (valley.n, valley.values) == (2, (0.01, 0.02))
    assert valley.mean == pytest.approx(math.sqrt(0.0002))
    assert "2 of 3" in str(found.table())


def test_seeds_that_agree_to_the_step_leave_an_interval_as_wide_as_one_step() -> None:
    found = summary(*[{"steepest": float(LR[50]), "minimum/10": float(LR[80]) / 10}] * 4)
    for suggestion in found.suggestions:
        assert suggestion.high / suggestion.low == pytest.approx(LR[1] / LR[0])
        assert suggestion.mean == pytest.approx(math.sqrt(suggestion.low * suggestion.high))


def test_one_seed_has_no_interval() -> None:
    (found,) = summary({"steepest": 0.003}).suggestions
    assert not found.known
    assert str(found) == "0.003"
    assert "(one seed)" in summary({"steepest": 0.003}).sentence()


def test_the_band_ends_where_the_first_test_does() -> None:
    short, long = curve(0, {"steepest": 0.01}, length=60), curve(1, {"steepest": 0.01}, level=1.0)
    lr, mean, low, high = RangeSummary("net", (short, long)).band
    assert len(lr) == len(mean) == 60
    np.testing.assert_allclose(mean, (short.smoothed + long.smoothed[:60]) / 2)
    half = t_quantile(0.975, 1) * abs(short.smoothed - long.smoothed[:60]) / 2
    np.testing.assert_allclose(high - low, 2 * half)
    assert RangeSummary("net", (short, long)).diverged == 1


def test_a_sentence_names_the_rule_the_mean_the_seeds_and_what_varied() -> None:
    found = summary({"steepest": 0.001, "valley": 0.01}, {"steepest": 0.004, "valley": 0.04}, rule="valley")
    assert found.varied == ("batch order",)
    told = RangeSummary("net", tuple(curve(i, {"steepest": r}) for i, r in enumerate((0.001, 0.004)))).sentence()
    assert told.startswith(
        "For net the smoothed loss falls most steeply at a learning rate of 0.002 (geometric mean of 2"
    )
    assert "which suggest 0.001 and 0.004; 95 % interval" in told
    assert "differ in batch order" in str(found.table())
    assert "valley *" in str(found.table())
    assert "factor of 10: steepest is the lowest with 0.002, valley the highest with 0.02" in rules_agree(
        found.suggestions
    )


def test_what_lr_range_returned_reads_like_a_study() -> None:
    tests = [
        SimpleNamespace(
            seed=i, lr=LR, loss=LR, smoothed=LR, diverged_at=None, drawn={},
            suggestions={"steepest": rate, "slide": math.nan},
        )
        for i, rate in enumerate((0.01, 0.04))
    ]  # fmt: skip
    found = range_summary(SimpleNamespace(tests=tests, rule="steepest", plan=SimpleNamespace(mode="linear")))  # type: ignore[arg-type]
    assert found.suggestion == pytest.approx(0.02)
    assert [each.rule for each in found.suggestions] == ["steepest"]
    assert found.mode == "linear"


# ── The verification ──────────────────────────────────────────────────────────────────────────────────────


def check(below: list[float], at: list[float], above: list[float]) -> RangeCheck:
    n = len(at)
    losses = tuple(tuple(np.ones(5) for _ in range(n)) for _ in range(3))
    return RangeCheck(0.01, 3.0, 200, "validation loss", tuple(range(n)), losses, np.array([below, at, above]))


INF = math.inf


@pytest.mark.parametrize(
    ("below", "at", "above", "verdict", "said"),
    [
        ([0.8, 0.9, 0.85], [0.5, 0.6, 0.55], [0.7, 0.8, 0.75], "held", "a third of it ends higher by 0.3"),
        ([0.8, 0.9, 0.85], [0.5, 0.6, 0.55], [0.4, 0.5, 0.45], "did not hold", "three times it ends lower by 0.1"),
        ([0.3, 0.4, 0.35], [0.5, 0.6, 0.55], [0.4, 0.5, 0.45], "did not hold", "0.00333 is the better choice"),
        ([0.8, 0.9, 0.85], [0.5, 0.6, 0.55], [0.4, 0.7, 0.56], "held", "three times it cannot be told apart from it"),
        ([0.4, 0.7, 0.56], [0.5, 0.6, 0.55], [0.6, 0.5, 0.54], "undecided", "the seeds are too few to show it"),
        ([0.8, 0.9, 0.85], [0.5, 0.6, 0.55], [INF, INF, INF], "held", "three times it diverges for 3 of 3 seeds"),
        ([0.8, 0.9, 0.85], [0.5, 0.6, 0.55], [0.4, 0.5, INF], "held", "diverges for 1 of 3 seeds"),
        ([0.8, 0.9, 0.85], [0.5, INF, 0.55], [INF, INF, INF], "did not hold", "0.00333 is the better choice"),
        ([0.8], [0.5], [0.7], "undecided", "One seed cannot decide: the suggestion ended lowest"),
    ],
)  # fmt: skip
def test_a_verdict_says_what_the_paired_differences_say(
    below: list[float], at: list[float], above: list[float], verdict: str, said: str
) -> None:
    found = check(below, at, above)
    assert found.verdict == verdict
    assert said in found.sentence()
    assert "After 200 steps the validation loss is" in found.sentence()


def test_differences_are_paired_by_seed() -> None:
    """The seeds differ by far more than the rates: only pairs can tell them apart."""
    at = [0.1, 1.0, 5.0]
    found = check([v + 0.1 for v in at], at, [v + d for v, d in zip(at, (0.2, 0.21, 0.19), strict=True)])
    difference = found.difference(2)
    assert difference is not None
    half = t_quantile(0.975, 2) * np.std([0.2, 0.21, 0.19], ddof=1) / math.sqrt(3)
    assert (difference.low, difference.high) == (pytest.approx(-0.2 - half), pytest.approx(-0.2 + half))
    assert found.verdict == "held"


def test_a_study_without_a_verification_says_how_to_make_one_and_an_unfinished_seed_does_not_count(tmp_path) -> None:  # type: ignore[no-untyped-def]
    facts = {"suggested": 0.01, "verify_factor": 3.0, "steps": 200, "measured": "validation loss"}
    with Store.create(tmp_path / "s", name="s", config={}) as store:
        store.add_run("range-adam", config={}, kind="lr_range").finish()
    with pytest.raises(StoreError, match="has no verification of a range test"):
        range_check(open_study(tmp_path / "s"))
    with Store.create(tmp_path / "t", name="t", config={}) as store:
        for seed, factors in ((0, (3.0, 1.0, 1 / 3)), (1, (1 / 3, 1.0))):
            for factor in factors:
                run = store.add_run(f"verify-{factor:.3g}x", config={}, seed=seed, kind="lr_verify")
                run.array("loss", np.full(3, factor))
                run.info(**facts, factor=factor, final=None if factor == 3 else factor)
                run.finish()
    found = range_check(open_study(tmp_path / "t"))
    assert found.seeds == (0,)
    assert found.final[:, 0].tolist() == [1 / 3, 1.0, INF]
    assert [runs[0][0] for runs in found.losses] == [1 / 3, 1.0, 3.0]
