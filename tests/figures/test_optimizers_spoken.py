"""Figures of trainings say nothing outside of the catalogues but names: titles, axes, legends, sentences, captions."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from watched_run import train

import passo
from passo.analysis.apart import apart
from passo.analysis.convergence import FEWEST, converged
from passo.analysis.ends import endings
from passo.analysis.inspected import layer_table, parameter_table, summary
from passo.analysis.races import race, table
from passo.analysis.regressed import Regressed
from passo.analysis.targets import targets
from passo.data.sequences import squares
from passo.experiments.race import descend
from passo.explaining import first_epochs, fitted_line, hidden_states
from passo.figures import FIGURES, draw, landscape_chart
from passo.figures.epochs import batches_table, draw_epochs, sizes_table
from passo.figures.fitted import draw_fitted
from passo.figures.player import race_page
from passo.figures.races import race_chart
from passo.figures.states import draw_states
from passo.figures.watched import draw_run
from passo.language import speaking
from passo.store import StoredStudy
from passo.training import train_config

Foreign = Callable[..., list[str]]
OF_A_RUN = (
    "stages",
    "layers",
    "ratios",
    "cosine",
    "loss-change",
    "activations",
    "clipping",
    "residual",
    "apart",
    "betas",
)
NAMES = (
    *("little", "tiny", "invented", "coat", "shirt", "conv1", "fc1", "fc2", "Unheard"),
    *("Adam", "Nesterov", "Momentum", "Ftrl", "Keras", "PyTorch", "SGD", "sgd", "adam", "ftrl", "momentum", "nesterov"),
    *(
        "StepLR",
        "CyclicLR",
        "ReduceLROnPlateau",
        "MultiStepLR",
        "LambdaLR",
        "ExponentialLR",
        "OneCycleLR",
        "triangular",
        "step_size",
    ),
    *("rms", "eps", "log", "grad_raw"),  # of equations
)
TYPED = re.compile(r"\b(conv1|fc1|fc2|spare)\.(weight|bias)\b|record\.\w+=\w+|\w+=…")  # parameters, settings
ROWS = ("label", "text", "words", "equation", "family", "when", "sign", "told")  # columns of data that are written


def said(part: Any) -> Iterator[str]:
    """What a reader meets in a specification: titles of axes, panels and tooltips, legends, and words in the plot."""
    if isinstance(part, list):
        for each in part:
            yield from said(each)
    elif isinstance(part, dict) and part.get("legend", "") is not None:  # without a legend, categories are unseen
        for key, value in part.items():
            if key in ("title", "subtitle") or (key == "text" and "subtitle" in part):
                yield from ([value] if isinstance(value, str) else value if isinstance(value, list) and
                            all(isinstance(line, str) for line in value) else said(value))  # fmt: skip
            elif key == "text" and isinstance(value, str):
                yield value
            elif key == "domain" and isinstance(value, list):
                yield from (one for one in value if isinstance(one, str))
            elif key == "format":
                continue
            elif key == "datasets":
                yield from (row[name] for text in value.values() for row in csv.DictReader(io.StringIO(text))
                            for name in ROWS if name in row)  # fmt: skip
            else:
                yield from said(value)


def outside(foreign: Foreign, figure: Any, *names: str) -> set[str]:
    texts = (*said(figure.spec()), figure.sentence, figure.caption)
    return {word for text in texts for word in foreign(TYPED.sub("", text), *NAMES, *names)}


def names(study: StoredStudy) -> set[str]:
    """The names of runs, as far as each is one word."""
    return {
        word
        for run in study.runs
        for word in re.findall(r"[a-z][\w'-]+", f"{run.id} {run.name} {run.name.removeprefix('line-')}")
    }


@pytest.mark.parametrize("name", list(FIGURES))
def test_a_figure_of_the_note_says_nothing_that_no_catalogue_can_reach(
    name: str, study: StoredStudy, foreign: Foreign
) -> None:
    left = outside(foreign, draw(name, study), *names(study))
    assert not left, left


@pytest.mark.parametrize(("optimizer", "name"), [*(("Adam", name) for name in OF_A_RUN), ("SGD", "apart")])
def test_a_figure_of_a_watched_run_says_nothing_that_no_catalogue_can_reach(
    optimizer: str, name: str, foreign: Foreign
) -> None:
    run = train(optimizer, steps=12, clip=1.0, weight_decay=0.01).run()
    left = outside(foreign, draw_run(name, run))
    assert not left, left


@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "Unheard"])
def test_what_is_told_of_a_watched_run_has_no_words_of_its_own(optimizer: str, foreign: Foreign) -> None:
    run = train(optimizer, steps=12, clip=1.0).run()
    tables = (layer_table(run), parameter_table(run, "fc1.weight"), *apart(run).tables())
    texts = [*summary(run), *(cell for one in tables for row in (one.columns, *one.rows, (one.note,)) for cell in row)]
    left = {word for text in texts for word in foreign(TYPED.sub("", text), *NAMES)}
    assert not left, left


def test_a_race_is_told_in_the_language_that_is_spoken_and_its_page_too(foreign: Foreign) -> None:
    found = race(
        descend("ravine", ["adam lr=0.3", "sgd lr=0.5"], schedules=["none", "StepLR step_size=9"], steps=30, noise=0.1)
    )
    left = outside(foreign, race_chart(found))
    assert not left, left
    shown = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", race_page(found).html, flags=re.DOTALL)
    cells = [cell for row in (table(found).columns, *table(found).rows) for cell in row]
    assert not (left := {word for text in (shown, *cells) for word in foreign(text, *NAMES)}), left


def test_a_page_of_a_race_tells_its_script_the_words_and_the_decimal_mark() -> None:
    found = race(descend("bowl", "adam lr=0.3", steps=20))
    with speaking("pt-BR"):
        page = race_page(found).html
    assert '<html lang="pt-BR">' in page and 'aria-label="Reproduzir"' in page
    told = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])["words"]
    assert told["step"] == "passo #" and told["point"] == "," and told["after"] == "# passos"
    assert 'lang="en"' in race_page(found).html


def landscape(directions: str) -> SimpleNamespace:
    """A landscape that needs every sentence of its caption."""
    way = np.linspace(1, 0, 6)
    arrays = {"x": np.linspace(-1, 2, 9), "y": np.linspace(-2, 2, 9), "steps": np.arange(6), "path_loss": way + 0.3}
    arrays["loss"] = arrays["x"][None] ** 2 + arrays["y"][:, None] ** 2
    arrays["loss"][0, 0] = np.inf
    arrays |= {"path": np.stack([way, 0 * way], 1), "plane_loss": way, "shares": np.array([0.8, 0.1])}
    arrays |= {"distances": np.stack([way + 0.1, way], 1), "moves": np.full((5, 2), 0.2)}
    facts = {"directions": directions, "loss": "MSE", "data": "clothes", "part": "training", "images": 10, "of": 20}
    facts |= {"weights": 61706, "buffers": 2, "batch_norm": "batch", "seed": 0, "second_is_random": True}
    facts["source"] = {"model": "tiny", "optimizer": "adam"}
    return SimpleNamespace(info=facts, array=arrays.__getitem__)


@pytest.mark.parametrize("directions", ["pca", "random"])
def test_a_loss_surface_is_told_in_the_language_that_is_spoken(directions: str, foreign: Foreign) -> None:
    left = outside(foreign, landscape_chart(landscape(directions)), "MSE", "clothes", "and")  # where a line breaks
    assert not left, left


def test_what_is_explained_of_a_model_is_told_in_the_language_that_is_spoken(foreign: Foreign) -> None:
    lstm, points = passo.build("lstm", (4, 2), 2, seed=0, hidden=3), squares(4)[0]
    data = passo.load("fashion-mnist-sample", per_class=9)
    found = first_epochs(train_config({"batch_size": 16, "epochs": 2}), data)
    figures = (
        draw_states(hidden_states(lstm, points[0])),
        draw_epochs(found, data.train.raw),
        draw_fitted(fitted_line(0.5, 1.0, np.arange(3.0), np.array([1.0, 0.0, 5.0]))),
    )
    left = {word for figure in figures for word in outside(foreign, figure, "LSTM", "rnn1")}
    assert not left, left
    tables = (sizes_table(found), batches_table(found))
    cells = [
        cell for one in tables for row in (one.columns, *(row[:1] for row in one.rows), (one.note,)) for cell in row
    ]
    assert not [word for cell in cells for word in foreign(cell)]


def test_convergence_targets_and_ends_are_told_in_the_language_that_is_spoken(
    study: StoredStudy, foreign: Foreign
) -> None:
    curves = {"short": np.ones(FEWEST - 1), "flat": np.ones(12), "falling": np.linspace(9, 0, 12),
              "lost": np.full(12, np.nan), "done": 9 * 0.2 ** np.arange(12.0)}  # fmt: skip
    texts = [converged(np.arange(1.0, len(y) + 1), y, run).sentence() for run, y in curves.items()]
    for found in (targets(study, "validation/accuracy"), endings(study, "validation/accuracy")):
        one = found.table()
        texts += [found.sentence(), one.note, *one.columns, *(cell for row in one.rows for cell in row[1:])]
    off = Regressed("tiny", "the target", np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 2.0]))
    texts += [off.sentence(), off.table().note, *off.table().columns, *(row[0] for row in off.table().rows)]
    left = {word for text in texts for word in foreign(text, *NAMES, *names(study), *curves, "MSE", "MAE")}
    assert not left, left
