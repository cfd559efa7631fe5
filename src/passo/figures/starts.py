"""Why Ftrl loses: how much of the random start each layer keeps, and how the losses go on from there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from passo.analysis import bands, compare
from passo.analysis.compare import in_points
from passo.analysis.starts import Kept, first_step, kept, models_of, there
from passo.analysis.words import amount, joined, ranged, seeds, significant
from passo.errors import StoreError
from passo.figures.curves import about
from passo.figures.definitions import log_lines
from passo.figures.panels import band_panel, heading
from passo.figures.style import BLUE, GREEN, ORANGE, PINK, RED, STONE, Figure, altair, colour, finished, interactive
from passo.language import t
from passo.store import StoredStudy

SHADES = {
    "ftrl": RED,
    "ftrl-lr-0.1": ORANGE,
    "ftrl-small-sum": PINK,
    "ftrl-kept": GREEN,
    "ftrl-kept-lr-0.1": BLUE,
    "adam": STONE,
}
PAIRS = (("ftrl", "ftrl-kept"), ("ftrl-lr-0.1", "ftrl-kept-lr-0.1"))  # the start erased, and kept
LEAST = 1e-6  # below it a share is drawn at the frame


def starts(study: StoredStudy) -> Figure:
    """‖w‖ over ‖w‖ at the start, layer by layer, over the first steps."""
    found = {model: [kept(study, name) for name in there(study, model, list(SHADES))] for model in models_of(study)}
    found = {model: ones for model, ones in found.items() if ones}
    if not found:
        raise StoreError(f"{study.folder} has no runs called MODEL-ftrl: is it a study why-ftrl-loses?")
    values = np.concatenate([one.mean.ravel() for ones in found.values() for one in ones]).clip(LEAST)
    panels = [
        _layer(model, ones, layer, values) for model, ones in found.items() for layer in range(len(ones[0].parameters))
    ]
    chart = interactive(altair().concat(*panels, columns=2, spacing=14))
    caption = t(
        "Length of each layer's weights (Euclidean norm) after so many steps, over its length at the start; geometric "
        "means over seeds, logarithmic, one scale for all panels. What keeps its start lies together near 1."
    )
    title = t("What is left of the start")
    subtitle = t("Length of the weights after each of the first steps, over their length at the start")
    return Figure("ftrl-starts", finished(chart, title, subtitle), caption, _told(study, found))


def _layer(model: str, ones: list[Kept], layer: int, values: np.ndarray) -> Any:
    series = {one.name.partition("-")[2]: one.mean[:, layer].clip(LEAST) for one in ones}
    return log_lines(
        ones[0].taken,
        series,
        SHADES,
        values,
        title=None,
        x_title=None,
        heading=heading(f"{model}: {ones[0].parameters[layer]}"),
        size=(250, 84),
    )


def _told(study: StoredStudy, found: dict[str, list[Kept]]) -> str:
    """What Ftrl's first step leaves, what it does to the gradients, and that the formula says so."""
    parts, gradients = [], []
    for model, ones in found.items():
        ftrl = next((one for one in ones if one.name == f"{model}-ftrl"), None)
        if ftrl is not None:
            low, high = ftrl.after_one.min(), ftrl.after_one.max()
            parts.append(t("{share} of the weights of {model}", share=_percent(low, high), model=model))
            left = significant(float(ftrl.gradient_left.min()), 2)
            gradients.append(t("{n} times in {model}", n=left, model=model))
    steps = [first_step(study, f"{model}-ftrl") for model in found if f"{model}-ftrl" in study.names()]
    off, count = max(step.off for step in steps), sum(step.coordinates for step in steps)
    return t(
        "Ftrl's first step leaves {weights} (their length, layer by layer); in the layer that suffers most the next "
        "gradient is {gradients} what it was. The formula w·(1 − √(a₀/(a₀+g²))) − lr·g/√(a₀+g²) meets all {n} traced "
        "weights after the step within {off}.",
        weights=joined(parts),
        gradients=joined(gradients),
        n=count,
        off=significant(off, 1),
    )


def _percent(low: float, high: float) -> str:
    ends = [f"{significant(100 * end, 2)} %" for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else t("{low} to {high}", low=ends[0], high=ends[1])


def losses(study: StoredStudy) -> Figure:
    """The training loss of each epoch, one panel for each model."""
    panels, told = [], []
    for model in models_of(study):
        names = there(study, model, list(SHADES))
        if not names:
            continue
        found = [replace(band, name=band.name.partition("-")[2]) for band in bands(study, "epoch/train_loss", names)]
        panel = band_panel(found, width=176, height=220).properties(title=heading(model))
        for layer in panel.layer:
            layer.encoding.color = colour("label", list(SHADES), list(SHADES.values()))
        panels.append(panel)
        told.append(_ended(study, model, names))
    chart = interactive(altair().hconcat(*panels, spacing=18))
    count = len({run.seed for run in study.select()})
    paired = t("Test accuracies ({seeds} of differences paired by seed).", seeds=seeds(count))
    caption = t("Training loss of each epoch: means over seeds, whiskers their 95 % intervals, set apart sideways.")
    title = finished(chart, t("How it goes on from there"), about(study))
    return Figure("ftrl-losses", title, caption, " ".join([paired, *told]))


def _ended(study: StoredStudy, model: str, names: list[str]) -> str:
    """Where each configuration ended, and what keeping the start changes at each learning rate."""
    found = compare(study, "test/accuracy", names)
    ends = joined([f"{name.partition('-')[2]} {amount(found.estimate(name).mean, found.metric)}" for name in names])
    gains = []
    for erased, saved in PAIRS:
        if {f"{model}-{erased}", f"{model}-{saved}"} <= set(names):
            gain = found.difference(f"{model}-{saved}", f"{model}-{erased}")
            points = in_points(ranged(gain, found.metric, difference=True))
            gains.append(
                t(
                    "{saved} against {erased} {points} ({verdict})",
                    saved=saved,
                    erased=erased,
                    points=points if gain.mean < 0 else f"+{points}",
                    verdict=t(gain.verdict),
                )
            )
    told = f"{model}: {ends}."
    return f"{told} {t('Keeping the start: {gains}.', gains=joined(gains))}" if gains else told
