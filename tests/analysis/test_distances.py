"""Cross-entropy as entropy plus divergence, and the images that cost most: worked out from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from answered import many, sure_of

from passo.analysis import Answers, distances, hardest
from passo.errors import UsageError


def naive(p: list[float], q: list[float]) -> tuple[float, float]:
    """Entropy of p and divergence of q from it, each by its own sum; 0 log 0 is 0."""
    entropy = -sum(a * math.log(a) for a in p if a > 0)
    return entropy, sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def test_each_reading_is_the_mean_of_its_own_sums() -> None:
    q, labels = many(4, 60)
    found = distances(Answers("it", tuple("abcd"), q, labels), smoothing=0.2)
    hard = [[float(c == y) for c in range(4)] for y in labels]
    soft = [[0.8 * a + 0.05 for a in row] for row in hard]
    for part, targets in ((found.labels, hard), (found.smoothed, soft)):
        both = [naive(p, row) for p, row in zip(targets, q.tolist(), strict=True)]
        assert part.entropy == pytest.approx(sum(e for e, _ in both) / 60)
        assert part.divergence == pytest.approx(sum(d for _, d in both) / 60)
    entropy, divergence = naive(np.mean(hard, 0).tolist(), q.mean(0).tolist())
    assert (found.shares.entropy, found.shares.divergence) == pytest.approx((entropy, divergence))


def test_labels_have_no_entropy_so_their_cross_entropy_is_the_divergence() -> None:
    found = distances(Answers("it", ("a", "b"), np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([0, 1])))
    assert found.labels.entropy == 0.0
    assert found.labels.cross_entropy == found.labels.divergence == pytest.approx((math.log(4) + math.log(2)) / 2)
    assert found.labels.bits == pytest.approx(1.5), "two bits for a quarter, one for a half"


def test_a_perfect_prediction_of_smoothed_labels_still_pays_their_entropy() -> None:
    labels = [0, 1, 2, 2]
    found = distances(Answers("it", tuple("abc"), sure_of(labels, 3, 0.8 + 0.2 / 3), np.array(labels)), smoothing=0.2)
    assert found.smoothed.divergence == pytest.approx(0, abs=1e-12)
    assert found.smoothed.cross_entropy == pytest.approx(naive([0.8 + 0.2 / 3, 0.2 / 3, 0.2 / 3], [1.0, 1, 1])[0])


def test_who_gives_every_image_the_shares_of_the_classes_has_learnt_nothing() -> None:
    shares = np.tile([0.75, 0.25], (4, 1))
    found = distances(Answers("it", ("a", "b"), shares, np.array([0, 0, 0, 1])))
    assert found.learnt == pytest.approx(0, abs=1e-12)
    assert found.shares.divergence == pytest.approx(0, abs=1e-12)
    worse = distances(Answers("it", ("a", "b"), 1 - shares, np.array([0, 0, 0, 1])))
    assert worse.learnt < 0 and "that guess would be better" in worse.sentence()


def test_the_sentence_tells_a_loss_that_was_cut() -> None:
    q = np.array([[1.0, 0.0], [0.5, 0.5]])
    found = distances(Answers("it", ("a", "b"), q, np.array([1, 0])))
    assert found.vanished == 1
    assert found.labels.cross_entropy == pytest.approx((math.log(2) - math.log(1.1754943508222875e-38)) / 2)
    assert "a probability of 0 in float32 for 1 of them, counted as 1.2e-38" in found.sentence()
    assert "float32" not in distances(Answers("it", ("a", "b"), q, np.array([0, 0]))).sentence()
    assert [row[0] for row in found.table().rows] == ["labels", "labels smoothed by 0.1", "shares of the classes"]


def test_a_smoothing_that_is_no_share_is_refused() -> None:
    with pytest.raises(UsageError, match=r"from 0 to 1, got 1\.5"):
        distances(Answers("it", ("a", "b"), np.array([[0.5, 0.5]]), np.array([0])), smoothing=1.5)


def test_the_hardest_images_are_those_with_the_least_probability_for_the_truth() -> None:
    q, labels = many(5, 200)
    found = hardest(Answers("it", tuple("abcde"), q, labels), 7)
    truth = [float(row[y]) for row, y in zip(q, labels, strict=True)]
    order = sorted(range(200), key=lambda i: truth[i])
    assert found.index.tolist() == order[:7]
    assert found.probability == pytest.approx([truth[i] for i in order[:7]])
    assert found.losses == pytest.approx([-math.log(truth[i]) for i in order[:7]])
    whole = -sum(map(math.log, truth))
    assert found.share == pytest.approx(-sum(math.log(truth[i]) for i in order[:7]) / whole)
    assert f"number {order[0]} is hardest: a {'abcde'[labels[order[0]]]} that" in found.sentence()
    assert [row[0] for row in found.table().rows] == [str(i) for i in order[:7]]


def test_less_than_one_hard_image_is_refused_and_more_than_there_are_is_all() -> None:
    seen = Answers("it", ("a", "b"), np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0]))
    assert hardest(seen, 20).index.tolist() == [0, 1] and hardest(seen, 20).share == pytest.approx(1)
    with pytest.raises(UsageError, match="at least one image"):
        hardest(seen, 0)
