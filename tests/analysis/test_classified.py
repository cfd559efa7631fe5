"""What a run answered, class by class: counts, precision, recall, F1 and confused pairs, counted naively."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from answered import many, stored, sure_of

from passo.analysis import Answers, answers, classified
from passo.errors import StoreError

NAMES = ("cat", "dog", "owl")
TRUE = [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
SAID = [0, 0, 0, 1, 1, 1, 0, 0, 2, 1]


def seen(true: list[int] = TRUE, said: list[int] = SAID, names: tuple[str, ...] = NAMES) -> Answers:
    return Answers("it", names, sure_of(said, len(names)), np.array(true))


def test_the_scores_of_a_small_case_are_those_worked_out_by_hand() -> None:
    found = classified(seen())
    assert found.confusion.tolist() == [[3, 1, 0], [0, 2, 0], [2, 1, 1]]
    assert found.precision == pytest.approx([3 / 5, 2 / 4, 1 / 1])
    assert found.recall == pytest.approx([3 / 4, 2 / 2, 1 / 4])
    assert found.f1 == pytest.approx([6 / 9, 4 / 6, 2 / 5])
    assert found.accuracy == pytest.approx(6 / 10)
    assert found.balanced_accuracy == pytest.approx((3 / 4 + 1 + 1 / 4) / 3)
    assert found.rows[2] == pytest.approx([0.5, 0.25, 0.25])


def test_scores_agree_with_a_count_over_single_images() -> None:
    q, labels = many(7, 500)
    found = classified(Answers("it", tuple("abcdefg"), q, labels))
    said = [max(range(7), key=lambda c: row[c]) for row in q.tolist()]
    both = list(zip(labels.tolist(), said, strict=True))
    for c in range(7):
        hits = sum(t == s == c for t, s in both)
        precision = hits / sum(s == c for _, s in both)
        recall = hits / sum(t == c for t, _ in both)
        assert found.precision[c] == pytest.approx(precision)
        assert found.recall[c] == pytest.approx(recall)
        assert found.f1[c] == pytest.approx(2 / (1 / precision + 1 / recall))


def test_nothing_of_nothing_is_no_number_and_is_told_as_0_of_0() -> None:
    found = classified(seen([0, 0, 1], [0, 0, 0], ("cat", "dog", "owl")))
    assert found.precision[0] == pytest.approx(2 / 3) and np.isnan(found.precision[1:]).all()
    assert found.recall[:2].tolist() == [1.0, 0.0] and np.isnan(found.recall[2])
    assert found.f1[1] == 0.0, "a dog was there and was missed: that is 0, not 0/0"
    assert np.isnan(found.f1[2])
    assert found.balanced_accuracy == pytest.approx(1 / 2), "over the two classes that have images"
    table = found.table()
    assert table.rows[1] == ("dog", "1", "0", "0/0", "0.0 %", "0.0 %")
    assert table.rows[2] == ("owl", "0", "0", "0/0", "0/0", "0/0")
    assert table.rows[3][0] == "mean" and table.rows[3][3] == "66.7 %"
    assert "0/0" in table.note
    assert "No test image is of owl." in found.sentence() and "No image was given dog and owl." in found.sentence()


def test_balanced_accuracy_counts_a_rare_class_as_much_as_a_common_one() -> None:
    found = classified(seen([0] * 98 + [1] * 2, [0] * 100, ("common", "rare")))
    assert found.accuracy == pytest.approx(0.98) and found.balanced_accuracy == pytest.approx(0.5)


def test_pairs_count_both_directions_and_come_with_the_most_confused_first() -> None:
    first, *others = classified(seen()).pairs()
    assert (first.first, first.second, first.there, first.back) == ("owl", "cat", 2, 0)
    assert first.sentence() == "owl is taken for cat 2 of 4 times (50.0 %), cat for owl 0 of 4 times (0.0 %)."
    assert [(p.first, p.second, p.there) for p in others] == [("cat", "dog", 1), ("owl", "dog", 1)]
    assert classified(seen([0, 1], [0, 1], ("cat", "dog"))).pairs() == ()
    alone = classified(seen([0, 0], [1, 0], ("cat", "dog"))).pairs()[0]
    assert alone.sentence() == "cat is taken for dog 1 of 2 times (50.0 %), no image was of dog."


def test_the_sentence_says_what_is_right_and_where_it_is_worst() -> None:
    said = classified(seen()).sentence()
    assert said.startswith("it names 6 of 10 test images rightly: an accuracy of 60.0 %")
    assert "66.7 %; F1 goes from 40.0 % (owl) to 66.7 % (cat)." in said
    assert "F1 goes" not in classified(seen([0, 1], [0, 1], ("cat", "dog"))).sentence()


def test_a_stored_run_is_read_with_the_names_of_its_classes_or_with_numbers(tmp_path: Path) -> None:
    q = sure_of(SAID, 3)
    assert answers(stored(tmp_path / "named", q, TRUE, classes=NAMES)).classes == NAMES
    for index, names in enumerate((None, ["cat", "dog"], ["cat", "cat", "owl"])):
        assert answers(stored(tmp_path / f"{index}", q, TRUE, classes=names)).classes == ("0", "1", "2")
    assert len(answers(stored(tmp_path / "again", q, TRUE))) == 10


@pytest.mark.parametrize(
    ("q", "labels", "said"),
    [
        (None, [], "kept no predictions: train it again with record.predictions=true"),
        ([[0.5, 0.5]], [2], "labels outside its 2 classes"),
        ([[0.5, 0.5]], [-1], "labels outside its 2 classes"),
        ([[0.5, np.nan], [0.5, 0.5]], [0, 1], "predicts NaN for 1 of 2 images"),
        ([[0.5, 0.6]], [0], "do not sum to 1"),
        ([[1.5, -0.5]], [0], "do not sum to 1"),
        ([[0.5, 0.5]], [0, 1], "for 2 labels: they do not fit"),
    ],
)
def test_predictions_that_are_none_are_refused_in_a_sentence(
    q: list[list[float]] | None, labels: list[int], said: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=said):
        answers(stored(tmp_path / "run", q, labels))
