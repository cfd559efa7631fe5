"""Cross-entropy as a distance between distributions: what is predicted for each true class, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis import Predictions, predictions, runs_of
from passo.figures.style import BLUE, INK, Figure, altair, data, finished
from passo.language import numeral, t
from passo.store import StoredStudy

LEAST = 0.005  # smaller shares are not written


def cross_entropy(study: StoredStudy) -> Figure:
    """The mean prediction for each true class, and each class's cross-entropy."""
    run = runs_of(study, "adam-final")[0]
    found = predictions(run, study.facts["data"]["classes"])
    chart = altair().hconcat(_heat(found), _costs(found), spacing=14).resolve_scale(y="shared", color="independent")
    caption = t(
        "Test predictions of {run}. Left: the mean predicted distribution for each true class, in percent (from "
        "{least:g} % on). Right: cross-entropy H(p, q) = KL(p ‖ q), for a label's own entropy is 0; dashed, a uniform "
        "guess.",
        run=run.id,
        least=100 * LEAST,
    )
    title = finished(chart, t("Cross-entropy is a distance"))
    return Figure("cross-entropy", title, caption, found.sentence())


def _heat(found: Predictions) -> Any:
    alt = altair()
    classes, n = list(found.classes), len(found.classes)
    weight = found.mean_predicted.ravel()
    columns = {
        "true": np.repeat(classes, n),
        "predicted": np.tile(classes, n),
        "weight": weight,
    }
    x = alt.X(
        "predicted:N",
        sort=classes,
        axis=alt.Axis(title=t("predicted class"), labelAngle=-40, domain=False, ticks=False),
    )
    y = alt.Y("true:N", sort=classes, axis=alt.Axis(title=t("true class"), domain=False, ticks=False))
    base = alt.Chart(data(columns)).encode(x=x, y=y)
    shade = alt.Scale(domain=[0, 1], range=["#F4F7FA", BLUE], type="sqrt")
    tips = [
        alt.Tooltip("true:N", title=t("true")),
        alt.Tooltip("predicted:N", title=t("predicted")),
        alt.Tooltip("weight:Q", title=t("mean probability"), format=".2%"),
    ]
    cells = base.mark_rect(stroke="white").encode(color=alt.Color("weight:Q", scale=shade, legend=None), tooltip=tips)
    words = (
        base.transform_filter(f"datum.weight >= {LEAST}")
        .transform_calculate(percent="format(100 * datum.weight, '.0f')")
        .mark_text(fontSize=11)
        .encode(text="percent:N", color=alt.condition("datum.weight > 0.4", alt.value("white"), alt.value(INK)))
    )
    return alt.layer(cells, words).properties(width=330, height=280)


def _costs(found: Predictions) -> Any:
    alt = altair()
    classes = list(found.classes)
    source = data(
        {"true": classes, "loss": found.per_class, "text": [numeral(f"{value:.2f}") for value in found.per_class]}
    )
    x = alt.X("loss:Q", axis=alt.Axis(title=t("cross-entropy (nats)"), tickCount=4))
    base = alt.Chart(source).encode(y=alt.Y("true:N", sort=classes, axis=None), x=x)
    uniform = data({"loss": [found.uniform], "text": [f"log {len(classes)}"]})
    return alt.layer(
        base.mark_bar(color=BLUE, opacity=0.85, height=14).encode(
            tooltip=[
                alt.Tooltip("true:N", title=t("true")),
                alt.Tooltip("loss:Q", title=t("loss"), format=".3f"),
            ]
        ),
        base.mark_text(align="left", dx=4, fontSize=11, color=INK).encode(text="text:N"),
        alt.Chart(uniform).mark_rule(strokeDash=[4, 3], color=INK).encode(x="loss:Q"),
        alt.Chart(uniform)
        .mark_text(align="right", dx=-4, fontSize=11, color=INK)
        .encode(x="loss:Q", y=alt.value(-6), text="text:N"),
    ).properties(width=160, height=280)
