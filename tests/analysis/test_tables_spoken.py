"""Tables, sentences and pages of comparisons and claims in another language: no word is left in English but names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered import many, stored
from invented import adam, invented
from lecture_trials import trials

from passo.analysis import claims as published
from passo.analysis.answers import answers
from passo.analysis.budgets import budgets
from passo.analysis.calibration import calibration
from passo.analysis.classified import classified
from passo.analysis.compare import compare
from passo.analysis.distances import distances
from passo.analysis.hardest import hardest
from passo.analysis.importance import importance
from passo.analysis.lectured import Lectured, lectured
from passo.analysis.lectured_page import Drawn, markdown
from passo.analysis.overfitting import overfitting
from passo.analysis.paired import fair
from passo.analysis.profiles import profiles
from passo.analysis.replicated import replicated
from passo.analysis.replication_page import markdown as replication
from passo.analysis.sensitivity import sensitivity
from passo.analysis.standing import standing
from passo.analysis.tuning import best_of
from passo.analysis.varied import split
from passo.language import speaking
from passo.store import Store, StoredStudy, open_study, outline
from passo.studies.lectured import claims
from passo.studies.published import METRICS, published_note

NAMES = ("adam", "adam-0", "optimizer", "kind", "kind-0", "kind-1", "kind-2", "it", "Student", "Holm", "nan", "PSNR")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Two rates at two strengths of L2, three seeds each; one seed of a third rate diverged."""
    random, runs, configs = np.random.default_rng(0), {}, {}
    for lr, decay in ((0.001, 0.0), (0.01, 0.0), (0.001, 0.1), (0.01, 0.1), (0.1, 0.0), (0.1, 0.1)):
        ends = [0.5 + 10 * lr * (lr < 0.1) - 0.2 * decay + 0.01 * float(random.standard_normal()) for _ in range(3)]
        name = f"adam-{lr:g}-{decay:g}"
        configs[name] = adam(lr, l2=decay)
        runs[name] = [
            {"validation/accuracy": [end], "validation/loss": [1 - end], "test/accuracy": [end]} for end in ends
        ]
    return invented(tmp_path_factory.mktemp("spoken") / "made", runs, configs, diverged=["adam-0.1-0-s1"])


def told(found: Any) -> str:
    return "\n".join([found.sentence(), str(found.table())])


READ: dict[str, Callable[[StoredStudy], Any]] = {
    "compare": lambda study: compare(study, "test/accuracy", ["adam-0.01-0", "adam-0.001-0"]),
    "fair": lambda study: fair(study),
    "planned": lambda study: fair(study, "validation/loss", against="adam-0.001-0"),
    "tuned": lambda study: best_of(study, group="l2"),
    "budgets": lambda study: budgets(study, group="l2"),
    "importance": lambda study: importance(study, names=[name for name in study.names() if "0.1-" not in name]),
    "sensitivity": lambda study: sensitivity(study),
    "profiles": lambda study: profiles(split(study, "l2"), values=[0.55, 0.55]),
    "standing": lambda study: standing(outline(study.folder), 40),
}  # fmt: skip


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_what_is_compared_is_told_in_another_language(read: Callable, study: StoredStudy, foreign: Callable) -> None:
    assert foreign(told(read(study)), *NAMES) == []


def test_what_was_lost_is_told_in_another_language(study: StoredStudy, foreign: Callable) -> None:
    found = standing(outline(study.folder))
    assert foreign(str(found.troubles()).replace("the loss is not finite", ""), *NAMES) == []
    assert "⟦ diverged⟧" in fair(study).sentence()


@pytest.mark.parametrize("read", [classified, calibration, distances, hardest])
def test_what_a_run_answered_is_told_in_another_language(read: Callable, tmp_path: Path, foreign: Callable) -> None:
    q, labels = many(3, 100)
    run = stored(tmp_path / "run", q, labels, classes=[f"kind-{c}" for c in range(3)])
    assert foreign(told(read(answers(run))), *NAMES) == []


@pytest.mark.parametrize("end", [0.5, 1.5, 3.0])
def test_a_run_s_gap_is_told_in_another_language(end: float, tmp_path: Path, foreign: Callable) -> None:
    epochs = {"epoch/train_loss": np.linspace(2, 1, 12), "validation/loss": np.linspace(2, end, 12)}
    run = stored(tmp_path / "run", metrics={**epochs, "validation/accuracy": np.linspace(0.1, 0.9, 12)})
    assert foreign(told(overfitting(run)), *NAMES) == []


def judged(studies: dict[str, StoredStudy]) -> list[Lectured]:
    return [lectured(claim.name, {trial.name: studies[trial.name] for trial in claim.trials}) for claim in claims()]


def page(found: Sequence[Lectured], studies: dict[str, StoredStudy]) -> str:
    drawn = {one.claim.name: Drawn(f"{one.claim.name}.svg", "", "") for one in found}
    return markdown(found, drawn, studies)


def shared_lines(one: str, other: str) -> list[str]:
    """The lines of prose, heads of tables included, that both pages have: code, rules and rows of names aside."""
    prose = [re.sub(r"```.*?```", "", page, flags=re.DOTALL).splitlines() for page in (one, other)]
    return sorted(line for line in {*prose[0]} & {*prose[1]} if len(re.findall(r"[A-Za-z]{3,}", line)) > 3)


def test_the_page_of_a_lecture_s_claims_is_written_in_the_language_that_is_spoken(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    studies = trials(tmp_path_factory.mktemp("lecture"))
    found = judged(studies)
    with speaking("pt-BR"):
        portuguese = page(found, studies)
    assert shared_lines(page(found, studies), portuguese) == []
    assert "em mlp, a acurácia de teste é no máximo 1 ponto menor com o padrão do Adam" in portuguese
    assert "## Como uma afirmação é posta à prova" in portuguese and "# treinados aqui;" in portuguese


def test_the_page_of_the_replication_is_written_in_the_language_that_is_spoken(tmp_path: Path) -> None:
    (run,) = published_note().chosen(["20-epochs-adam"])
    kernels = {"torch": "AVX2", "MKL_CBWR": "AVX2", "PASSO_MKL_VENDOR": "GenuineIntel"}
    with Store.create(tmp_path / "s", name="exact", config={"threads": 1, "kernels": kernels}) as store:
        kept = store.add_run(run.name, config={})
        for epoch in range(1, run.epochs + 1):
            ours = {METRICS[key]: values[epoch - 1] + 0.001 * (epoch == 7) for key, values in run.printed.items()}
            kept.scalars(epoch, epoch, ours)
            kept.event("epoch", "", epoch, seconds=2.0, shared=None)
        kept.finish()
    found = replicated(open_study(tmp_path / "s"))
    with speaking("pt-BR"):
        portuguese = replication(found)
    assert shared_lines(replication(found), portuguese) == []
    assert "números impressos são os nossos" in portuguese and "60.000 imagens de treino" in portuguese


def test_claims_of_the_published_note_are_told_in_another_language(tmp_path: Path, foreign: Callable) -> None:
    curves = {
        "20-epochs-adam": (0.3, 0.31, 0.29),
        "20-epochs-adam-step": (0.5, 0.52, 0.51),
        "10-epochs-adam": (0.3, 0.6, 0.1),
    }
    runs = {
        name: [{"validation/loss": [end], "test/loss": [end], "test/accuracy": [1 - end]} for end in ends]
        for name, ends in curves.items()
    }  # fmt: skip
    found = invented(tmp_path / "seeds", runs)
    assert foreign(told(published.judge(found)), *NAMES) == []
    assert foreign(str(published.beside(found)), *NAMES, "epochs-adam", "epochs-adam-step") == []
