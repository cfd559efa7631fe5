"""A lecture's claims on invented trials of which the truth is known: every number computed again, naively."""

import math
from dataclasses import replace

import numpy as np
import pytest
from lecture_trials import SEEDS, accuracy, loss_after, trials

from passo.analysis.elsewhere import chosen_elsewhere
from passo.analysis.lectured import COUNT, PARTS, Lectured, lectured
from passo.analysis.lectured_page import Drawn, markdown
from passo.analysis.sentences import Tried
from passo.errors import StoreError, UnknownName
from passo.store import StoredRun, StoredStudy
from passo.studies.lectured import claims

Studies = dict[str, StoredStudy]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    return trials(tmp_path_factory.mktemp("lecture"))


def judged(name: str, studies: Studies) -> Lectured:
    return lectured(name, {trial.name: studies[trial.name] for trial in claims((name,))[0].trials})


def one(found: Lectured, *words: str) -> Tried:
    (there,) = (each for each in found.tried if all(word in each.said.words for word in words))
    return there


def test_the_variance_of_independent_gradients_falls_like_one_over_the_size(studies: Studies) -> None:
    found = one(judged("batches", studies), "exponent")
    assert found.found.mean == pytest.approx(-1, abs=0.01)
    assert len(found.values) == SEEDS


def test_noise_and_seconds_are_ratios_of_the_small_batch_over_the_large(studies: Studies) -> None:
    claim = judged("batches", studies)
    noise, time = one(claim, "noise of the mini-batch losses"), one(claim, "time of an epoch", "of 256")
    assert math.exp(noise.found.mean) == pytest.approx(4, rel=0.15)
    for seed, value in time.values.items():
        assert math.exp(value) == pytest.approx((0.1 + (1 + 0.01 * seed) / 16) / (0.1 + (1 + 0.01 * seed) / 256))
    assert time.verdict == "holds"


def test_progress_is_compared_at_one_rate_and_at_rates_of_their_own(studies: Studies) -> None:
    claim = judged("batches", studies)
    common, own = one(claim, "rate of 0.01,", "after one epoch"), one(claim, "own for each", "one epoch", "of 256")

    def least(size: int) -> float:
        return min(loss_after(size, rate, 1) for rate in (0.01, 0.1))

    assert common.found.mean == pytest.approx(loss_after(16, 0.01, 1) - loss_after(256, 0.01, 1), abs=2e-3)
    assert own.found.mean == pytest.approx(least(16) - least(256), abs=2e-3)
    assert common.found.mean != pytest.approx(own.found.mean, abs=0.05)


def test_the_time_to_a_loss_is_that_of_the_first_epoch_that_has_it(studies: Studies) -> None:
    """With 16 the first epoch is already below where 256 ends, so it takes one epoch's seconds out of three."""
    assert min(loss_after(16, r, 1) for r in (0.01, 0.1)) < min(loss_after(256, r, 3) for r in (0.01, 0.1))
    found = one(judged("batches", studies), "the time to")
    for seed, value in found.values.items():
        small, large = (0.1 + (1 + 0.01 * seed) / size for size in (16, 256))
        assert math.exp(value) == pytest.approx(small / (3 * large))  # 256 is there at its third epoch


def test_a_small_batch_that_never_comes_so_far_leaves_the_time_untold(studies: Studies) -> None:
    study = studies["batch-size"]
    swapped = {"16": "256", "256": "16"}

    def renamed(run: StoredRun) -> StoredRun:
        size, _, rest = run.name.partition(",")
        if size not in swapped:
            return run
        return replace(run, name=f"{swapped[size]},{rest}", config={**run.config, "batch_size": int(swapped[size])})

    other = replace(study, runs=tuple(map(renamed, study.runs)))
    found = one(judged("batches", {**studies, "batch-size": other}), "the time to")
    assert all(math.isnan(value) for value in found.values.values())
    assert found.told() == "cannot be told: 3 of 3 seeds never came to it"


def test_adams_default_is_held_to_sgds_and_to_the_best_of_all(studies: Studies) -> None:
    claim = judged("adam", studies)
    untuned, near = one(claim, "mlp", "SGD's default"), one(claim, "mlp", "best of all")
    for seed in range(SEEDS):
        of = {name: accuracy(name, 1e-3, seed) for name in ("adam", "sgd")}
        assert untuned.values[seed] == pytest.approx(of["adam"] - of["sgd"])
        best = accuracy("momentum", 1e-2, seed)  # at its best rate, which is tried
        assert near.values[seed] == pytest.approx(of["adam"] - best)
    assert untuned.verdict == "holds"
    assert near.verdict == "does not hold"  # 2.5 points below


def test_the_width_of_usable_rates_is_told_in_decades_seed_by_seed(studies: Studies) -> None:
    """On a fine grid between the rates: Adam loses five points a decade, momentum ten."""
    found = one(judged("adam", studies), "lenet", "width")
    for seed in range(SEEDS):

        def width(name: str, seed: int = seed) -> float:
            grid = np.linspace(-4, -1, 30_001)
            heights = np.interp(grid, [-4, -3, -2, -1], [accuracy(name, r, seed) for r in (1e-4, 1e-3, 1e-2, 1e-1)])
            return float((heights >= heights.max() - 0.05).mean() * 3)

        assert found.values[seed] == pytest.approx(width("adam") - width("momentum"), abs=1e-3)


def test_l2_is_held_to_none_at_the_strength_that_validation_chooses(studies: Studies) -> None:
    claim = judged("l2", studies)
    assert [each.verdict for each in claim.tried] == ["holds"] * 5
    assert math.exp(one(claim, "strongest").found.mean) == pytest.approx(1 / 8)
    assert math.exp(one(claim, "from each strength").found.mean) == pytest.approx(1 / 2)
    assert one(claim, "gap").found.mean == pytest.approx((0.5 - 0.3) - (0.7 - 0.1), abs=1e-3)
    assert one(claim, "test accuracy").found.mean == pytest.approx(0.02, abs=1e-4)
    assert claim.sentence() == (
        "“L2 shrinks the weights and helps generalisation”: of 5 sentences 5 hold over 3 seeds."
    )


def test_what_is_read_had_no_part_in_the_choice(studies: Studies) -> None:
    """One seed on which a bad strength looks best is read at the strength that the others choose."""
    study = studies["penalties"]

    def lucky(run: StoredRun) -> float:
        return 0.0 if run.id == "l2-1e-2-s1" else run.metric("validation/loss").last

    found = chosen_elsewhere(study, ["l2-1e-4", "l2-1e-3", "l2-1e-2"], lucky)
    assert found[1].name == "l2-1e-3"
    assert {found[0].name, found[2].name} == {"l2-1e-2"}  # for them it is one of the others


def test_a_setting_that_lost_a_seed_is_not_chosen(studies: Studies) -> None:
    study = studies["learning-rate-mlp"]
    found = chosen_elsewhere(study, ["sgd,lr=0.1", "sgd,lr=0.01"], lambda run: run.metric("validation/loss").last)
    assert {run.name for run in found.values()} == {"sgd,lr=0.01"}
    with pytest.raises(StoreError, match="has two seeds or more"):
        chosen_elsewhere(study, [], lambda run: 0.0)


def test_all_sentences_count_whichever_claim_is_asked_for(studies: Studies) -> None:
    assert sum(map(len, PARTS.values())) == COUNT
    assert {each.count for each in judged("l2", studies).tried} == {COUNT}
    with pytest.raises(UnknownName, match="unknown claim 'adm'"):
        lectured("adm", studies)


def test_the_page_has_every_sentence_with_its_verdict_and_the_commands(studies: Studies) -> None:
    found = [judged(name, studies) for name in PARTS]
    drawn = {name: Drawn(f"images/{name}.png", f"caption of {name}", f"sentence of {name}") for name in PARTS}
    page = markdown(found, drawn, studies, ["seeds=3"])
    for each in found:
        for tried in each.tried:
            assert f"| {tried.said.words} | {tried.amount()} |" in page
    assert "what was measured](images/l2.png)" in page and "sentence of l2 caption of l2" in page
    assert "passo study run penalties --set seeds=10 --set seeds=3 --executor auto" in page
    assert "`learning-rate-mlp`: 36 trainings on 900 images of invented, of which 1 diverged." in page
