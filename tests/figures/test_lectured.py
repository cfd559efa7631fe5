"""The figures of a lecture's claims: what is drawn is what the trials hold, and the sentence says it."""

import csv
import io
import math

import numpy as np
import pytest
from lecture_trials import BEST, SEEDS, STRENGTHS, accuracy, trials

from passo.errors import UnknownName
from passo.figures.lectured import draw_lectured
from passo.figures.style import Figure
from passo.store import StoredStudy
from passo.studies.lectured import MODELS, claims

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredStudy]:
    return trials(tmp_path_factory.mktemp("lecture"))


def drawn(name: str, studies: dict[str, StoredStudy]) -> Figure:
    return draw_lectured(name, {trial.name: studies[trial.name] for trial in claims((name,))[0].trials})


def tables(figure: Figure) -> list[Rows]:
    return [list(csv.DictReader(io.StringIO(text))) for text in figure.spec()["datasets"].values()]


def test_the_variance_is_drawn_beside_its_law_and_told_as_a_factor(studies: dict[str, StoredStudy]) -> None:
    figure = drawn("batches", studies)
    law = next(rows for rows in tables(figure) if set(rows[0]) == {"x", "y"} and float(rows[0]["x"]) == 1)
    for row in law:
        assert float(row["y"]) * float(row["x"]) == pytest.approx(float(law[0]["y"]), rel=1e-3)
    variances = next(rows for rows in tables(figure) if "drawn" in rows[0] and float(rows[-1]["x"]) == 300)
    assert [float(row["y"]) * float(row["x"]) for row in variances] == pytest.approx([1] * 5, rel=0.05)
    assert "the number of images in a batch grows 300 times" in figure.sentence
    assert "one epoch comes furthest with batches of 1 (" in figure.sentence


def test_every_model_has_its_panel_and_every_optimizer_its_curve(studies: dict[str, StoredStudy]) -> None:
    figure = drawn("adam", studies)
    panels = [rows for rows in tables(figure) if "low" in rows[0] and "drawn" in rows[0]]
    assert len(panels) in (1, len(MODELS))  # the invented models are alike, and equal data are kept once
    for row in panels[0]:
        name = "momentum" if "momentum" in row["label"] else row["label"]
        if (name, float(row["x"])) != ("sgd", 0.1):  # there a seed diverged
            ends = [accuracy(name, float(row["x"]), seed) for seed in range(SEEDS)]
            assert float(row["y"]) == pytest.approx(np.mean(ends), abs=1e-4)
    assert f"of the {len(MODELS) * 4} models and rates" in figure.sentence


def test_the_profile_counts_the_rates_at_which_the_target_is_reached(studies: dict[str, StoredStudy]) -> None:
    """The target is five points below the best mean; half of the seeds have to be there."""
    best = max(np.mean([accuracy(name, rate, s) for s in range(SEEDS)]) for name in BEST for rate in (1e-3, 1e-2))
    rates = (1e-4, 1e-3, 1e-2, 1e-1)
    share = np.mean([sum(accuracy("adam", rate, s) >= best - 0.05 for s in range(SEEDS)) * 2 > SEEDS for rate in rates])
    assert f"adam on {100 * share:.0f} %" in drawn("adam", studies).sentence


def test_the_lengths_of_the_weights_are_drawn_over_the_strengths(studies: dict[str, StoredStudy]) -> None:
    figure = drawn("l2", studies)
    lengths = next(rows for rows in tables(figure) if "drawn" in rows[0] and len(rows) == 4 and float(rows[0]["y"]) > 1)
    mean = math.fsum(1 + 0.01 * seed for seed in range(SEEDS)) / SEEDS
    assert [float(row["y"]) for row in lengths] == pytest.approx([mean, mean / 2, mean / 4, mean / 8], rel=1e-4)
    assert [float(row["x"]) for row in lengths] == [1e-5, *sorted(STRENGTHS.values())[1:]]  # "none" is a place too
    assert "highest at λ₂ = 0.001 (79.9998 %" in figure.sentence


def test_figures_are_made_of_what_a_claim_has_and_of_known_claims(studies: dict[str, StoredStudy]) -> None:
    for claim in claims():
        figure = drawn(claim.name, studies)
        assert figure.name == f"claims-{claim.name}" and "95 %" in figure.caption
    with pytest.raises(UnknownName, match="unknown figure of a claim 'l3'"):
        draw_lectured("l3", studies)
