"""The most confused classes, against choosing by hand and by going through all pairs."""

import numpy as np
import pytest

from passo.data.confusing import most_confused
from passo.errors import ConfigError


def test_the_first_two_are_the_pair_with_the_greatest_mutual_confusion():
    counts = np.random.default_rng(3).integers(0, 40, (7, 7)) + 100 * np.eye(7, dtype=int)

    def mutual(a: int, b: int) -> float:
        return counts[a, b] / counts[a].sum() + counts[b, a] / counts[b].sum()

    best = max(((a, b) for a in range(7) for b in range(a + 1, 7)), key=lambda pair: mutual(*pair))
    assert most_confused(counts, 2) == list(best)


def test_each_next_class_is_the_one_most_confused_with_those_chosen():
    counts = np.diag([50] * 5)
    counts[1, 4] = counts[4, 1] = 10  # the pair
    counts[3, 4] = 6  # by 4 alone, 3 is nearer than 0 …
    counts[0, 1], counts[0, 4] = 4, 4  # … and by both together 0 is
    assert most_confused(counts, 3) == [1, 4, 0]
    assert most_confused(counts, 4) == [1, 4, 0, 3]


def test_a_smaller_choice_is_the_beginning_of_a_larger_one():
    counts = np.random.default_rng(0).integers(0, 30, (10, 10))
    largest = most_confused(counts, 10)
    assert sorted(largest) == list(range(10))
    assert all(most_confused(counts, k) == largest[:k] for k in range(2, 11))


def test_a_class_is_not_chosen_for_its_size():
    counts = np.array([[9000, 100, 0], [0, 90, 10], [0, 30, 70]])  # 0 → 1 most often, but seldom by share
    assert most_confused(counts, 2) == [1, 2]


def test_where_nothing_is_confused_the_lower_numbers_come_first():
    assert most_confused(np.diag([5, 5, 5, 5]), 3) == [0, 1, 2]


def test_equal_confusion_ties_whatever_sums_it_is_made_of():
    counts = np.diag([100] * 4)
    counts[2, 3], counts[3, 2] = 1, 2
    counts[0, 1], counts[1, 0] = 3, 0
    counts += np.diag([100] * 4 - counts.sum(1))  # 200 images of each class
    assert most_confused(counts, 2) == [0, 1]


def test_a_class_without_images_is_no_division_by_zero():
    assert most_confused(np.array([[0, 0, 0], [0, 5, 1], [0, 0, 5]]), 2) == [1, 2]


@pytest.mark.parametrize("k", [0, 1, 4, True, 2.0])
def test_a_number_of_classes_that_cannot_be_is_refused(k: object):
    with pytest.raises(ConfigError, match="of 3 classes, 2 to 3 can be the most confused ones"):
        most_confused(np.eye(3, dtype=int), k)  # type: ignore[arg-type]


def test_what_is_no_confusion_matrix_is_refused():
    with pytest.raises(ConfigError, match="a row and a column for each class, got shape"):
        most_confused(np.ones((2, 3)), 2)
