"""Accuracy against perturbations of the test images: a panel for each, and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.parting import Parting
from passo.analysis.perturbed import Along, axis_title, scaled, spoken
from passo.analysis.robustness import Borne, Robustness, robustness
from passo.analysis.words import joined, seeds
from passo.errors import StoreError
from passo.figures.panels import heading
from passo.figures.style import BLUE, INDIGO, INK, RED, SHAPES, STONE, Figure, altair, data, finished
from passo.language import later, numeral, t
from passo.store import StoredStudy

ACROSS, WIDE, HIGH = 3, 164, 132
CLEARLY, SO = later("trained on unchanged images"), later("trained on such images")
CLASSES = 20  # drawn at most


def draw_robustness(study: StoredStudy) -> Figure:
    """Accuracy over the strength of each perturbation, for both models, trained on unchanged and on such images."""
    found = robustness(study)
    panels = [_panel(found, borne, place % ACROSS == 0) for place, borne in enumerate(found.borne)]
    told = " ".join([found.sentence(), *(borne.limit_sentence() for borne in found.borne)])
    chart = finished(grid(panels), t("What perturbed images cost"), _subtitle(found.images))
    return Figure("robustness", chart, _caption(found), told)


def _subtitle(images: int) -> str:
    return t("{n:,} test images", n=images)


def _caption(found: Robustness) -> str:
    n = max(len(one.seeds) for borne in found.borne for one in borne.alongs)
    parts = [t("Accuracy on {images:,} test images, each changed by exactly the strength below.", images=found.images)]
    if any(borne.exposed for borne in found.borne):
        parts.append(t("Solid: trained on unchanged images; dashed: on images that were changed so, up to a strength."))
    parts.append(t("Bands: 95 % intervals over {n} seeds.", n=n) if n > 1 else t("One seed: no intervals."))
    parts.append(t("Dotted: {level:.0f} %.", level=100 * found.level))
    if len(found.models) == 2:
        parts.append(
            t(
                "Bars at the bottom: where the two that were trained on unchanged images have lost differently (paired "
                "by seed, corrected for the strengths of the panel), in the colour of the one that has lost less."
            )
        )
    return " ".join(parts)


def grid(panels: Sequence[Any]) -> Any:
    """Panels in rows, over one set of legends; set by the plots alone, so that labels that stick out move nothing."""
    alt = altair()
    rows = [alt.hconcat(*panels[at : at + ACROSS], bounds="flush", spacing=22) for at in range(0, len(panels), ACROSS)]
    return alt.vconcat(*rows, spacing=14)


def _panel(found: Robustness, borne: Borne, left: bool) -> Any:
    """One perturbation: a line and a band for each model and training, the level, and where the two part."""
    alt = altair()
    drawn = [(one, t(CLEARLY)) for one in borne.clean] + [(one, t(SO)) for one in borne.exposed]
    rows: dict[str, list[Any]] = {name: [] for name in ("x", "y", "low", "high", "model", "trained")}
    for one, trained in drawn:
        order = np.argsort(one.strengths)
        for name, values in zip(("y", "low", "high"), one.band, strict=True):
            rows[name] += values[order].clip(0, 1).tolist()
        rows["x"] += [scaled(borne.perturbation, float(s)) for s in one.strengths[order]]
        rows["model"] += [one.model] * len(order)
        rows["trained"] += [trained] * len(order)
    trainings = (t(CLEARLY), t(SO)) if any(each.exposed for each in found.borne) else (t(CLEARLY),)
    lines = curves(rows, found.models, trainings, axis_title(borne.perturbation), t("accuracy"), left=left)
    level = alt.Chart(data({"y": [found.level]})).mark_rule(strokeDash=[1, 3], color=INK, opacity=0.7).encode(y="y:Q")
    layers = [level, *lines, *_apart(borne.partings, found.models)]
    return alt.layer(*layers).properties(width=WIDE, height=HIGH, title=heading(spoken(borne.perturbation)))


def curves(
    rows: dict[str, list[Any]],
    models: Sequence[str],
    trainings: Sequence[str],
    x_title: str,
    y_title: str,
    *,
    left: bool,
) -> list[Any]:
    """Layers: a band and a line for each model and training, from columns x, y, low, high, model, trained."""
    alt = altair()
    bare = {"title": y_title} if left else {"title": None, "labelOpacity": 0, "ticks": False}  # as high as the left one
    y_axis = alt.Axis(format="~%", tickCount=5, **bare)
    look = {"symbolStrokeWidth": 2.5, "symbolType": "stroke"}
    dash = alt.StrokeDash(
        "trained:N",
        scale=alt.Scale(domain=list(trainings), range=[[1, 0], [4, 3]][: len(trainings)]),
        legend=alt.Legend(**look, symbolStrokeColor=STONE) if len(trainings) > 1 else None,
    )
    base = alt.Chart(data(rows)).encode(
        x=alt.X("x:Q", axis=alt.Axis(title=x_title, grid=False, tickCount=5), scale=alt.Scale(nice=False, zero=False)),
        color=model_colour(models),
    )

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", axis=y_axis, scale=alt.Scale(domain=[0, 1]))

    tips = [alt.Tooltip("model:N", title=t("model")), alt.Tooltip("trained:N", title=t("trained"))]
    tips += [alt.Tooltip("x:Q", title=x_title), alt.Tooltip("y:Q", title=y_title, format=".1%")]
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.14)
    return [
        band.encode(y=y("low"), y2="high:Q", detail="trained:N"),
        base.mark_line(strokeWidth=1.8).encode(y=y("y"), strokeDash=dash),
        base.mark_point(filled=True, size=20, opacity=1).encode(
            y=y("y"), shape=model_shape(models), detail="trained:N", tooltip=tips
        ),
    ]


def model_colour(models: Sequence[str]) -> Any:
    """One colour for each model: blue for the first, red for the second."""
    alt = altair()
    scale = alt.Scale(domain=list(models), range=[BLUE, RED][: len(models)])
    return alt.Color("model:N", scale=scale)


def model_shape(models: Sequence[str]) -> Any:
    """One shape for each model, in the legend of `model_colour`: a circle for the first, a square for the second."""
    alt = altair()
    return alt.Shape("model:N", scale=alt.Scale(domain=list(models), range=list(SHAPES[: len(models)])))


def _apart(partings: Sequence[Parting], models: Sequence[str]) -> list[Any]:
    """A bar from where the two part to where they meet again, in the colour of the one that has lost less."""
    alt = altair()
    there = [one for one in partings if one.at is not None and one.until is not None]
    if not there:
        return []
    ends = [sorted(scaled(one.perturbation, one.strengths[k]) for k in (one.at or 0, one.until or 0)) for one in there]
    rows = {"x": [low for low, _ in ends], "x2": [high for _, high in ends], "model": [one.better for one in there]}
    base = alt.Chart(data(rows)).encode(x="x:Q", y=alt.value(HIGH - 4), color=model_colour(models))
    return [
        base.mark_rule(strokeWidth=5, strokeCap="round").encode(x2="x2:Q"),
        base.mark_point(filled=True, size=34, opacity=1).encode(shape=model_shape(models)),  # seen without a length too
    ]


# ── Class by class ────────────────────────────────────────────────────────────────────────────────────────


def draw_robustness_classes(study: StoredStudy) -> Figure:
    """Recall of each class at each strength, one map for each perturbation and model, trained on unchanged images."""
    found = robustness(study)
    if not any(borne.clean for borne in found.borne):
        raise StoreError(f"{study.folder} measured no model that was trained on unchanged images")
    classes = _classes(found)
    pairs = [
        [_map(one, classes, first=place % ACROSS == 0 and at == 0) for at, one in enumerate(borne.clean)]
        for place, borne in enumerate(found.borne)
    ]
    alt = altair()
    panels = [
        alt.hconcat(*maps, spacing=5).properties(title=heading(spoken(borne.perturbation)))
        for borne, maps in zip(found.borne, pairs, strict=True)
    ]
    rows = [alt.hconcat(*panels[at : at + ACROSS], spacing=12) for at in range(0, len(panels), ACROSS)]
    chart = finished(alt.vconcat(*rows, spacing=14), t("Which classes bear perturbations"), _subtitle(found.images))
    return Figure("robustness-classes", chart, _caption_classes(found, len(classes)), _told_classes(found))


def _caption_classes(found: Robustness, shown: int) -> str:
    one, n = found.borne[0].alongs[0], len(found.borne[0].alongs[0].seeds)
    of_one, of_two = (
        later(
            "How much of each class is named rightly, at each strength, from none (faint) to all (strong); left of "
            "each pair the {first}, both trained on unchanged images."
        ),
        later(
            "How much of each class is named rightly, at each strength, from none (faint) to all (strong); left of "
            "each pair the {first}, right the {second}, both trained on unchanged images."
        ),
    )
    parts = [
        t(of_two if len(found.models) > 1 else of_one, **dict(zip(("first", "second"), found.models, strict=False))),
        t("Means over {n} seeds.", n=n) if n > 1 else f"{seeds(n).capitalize()}.",
    ]
    if shown < len(one.classes):
        parts.append(t("Of {count} classes, those are drawn in which the models differ most.", count=len(one.classes)))
    return " ".join(parts)


def _classes(found: Robustness) -> np.ndarray:
    """The classes that are drawn, in their order: all, or those in which the models differ most."""
    names = found.borne[0].alongs[0].classes
    if len(names) <= CLASSES:
        return np.arange(len(names))
    means = [np.mean([_mean(one) for one in borne.clean], 0) for borne in found.borne if borne.clean]
    gaps = [np.abs(np.subtract(*map(_mean, borne.clean))) for borne in found.borne if len(borne.clean) == 2]
    return np.sort(np.argsort(-np.nan_to_num(np.mean(gaps or means, 0)))[:CLASSES])


def _mean(one: Along) -> np.ndarray:
    """Recall of each class, the mean over seeds and strengths: (C,)."""
    return one.by_class.mean((0, 2))


def _map(one: Along, classes: np.ndarray, *, first: bool) -> Any:
    alt = altair()
    order = np.argsort(one.strengths)
    recall = one.by_class.mean(0)[classes][:, order]  # (classes, K)
    ticks = [numeral(f"{scaled(one.perturbation, float(s)):.3g}") for s in one.strengths[order]]
    names = [one.classes[c] for c in classes]
    columns = {
        "strength": np.tile(ticks, len(names)),
        "class": np.repeat(names, len(ticks)),
        "recall": recall.ravel(),
    }
    shown = list(dict.fromkeys((ticks[0], ticks[len(ticks) // 2], ticks[-1])))
    ends = ((0, "left"), (-1, "right")) if len(ticks) > 6 else ()  # over narrow cells, words stay inside of the map
    inside = [{"test": f"datum.value === '{shown[at]}'", "value": side} for at, side in ends]
    x = alt.X(
        "strength:O",
        sort=ticks,
        scale=alt.Scale(paddingInner=0),
        axis=alt.Axis(
            title=one.model,
            values=shown,
            labelAngle=0,
            labelFontSize=9,
            labelAlign={"condition": inside, "value": "center"} if inside else "center",
            ticks=False,
        ),
    )
    y_axis = alt.Axis(title=None, labels=first, ticks=False, domain=False, labelLimit=92, labelFontSize=10)
    shade = alt.Color(
        "recall:Q",
        scale=alt.Scale(domain=[0, 1], range=["#FFFFFF", INDIGO], interpolate="rgb"),
        legend=alt.Legend(title=t("named rightly"), format="~%", gradientLength=150, tickCount=3, titleFontSize=10.5),
    )
    base = alt.Chart(data(columns)).encode(
        x=x, y=alt.Y("class:N", sort=names, scale=alt.Scale(paddingInner=0), axis=y_axis)
    )
    tips = [alt.Tooltip("class:N", title=t("class")), alt.Tooltip("strength:O", title=t("strength"))]
    tips.append(alt.Tooltip("recall:Q", title=t("recall"), format=".1%"))
    cells = base.mark_rect(stroke="#FFFFFF", strokeWidth=0.5).encode(color=shade, tooltip=tips)
    return cells.properties(width=74, height=13 * len(names))


def _told_classes(found: Robustness) -> str:
    """Which class each model bears worst and best, on the average of all strengths and perturbations."""
    parts = []
    for model in found.models:
        own = [one for borne in found.borne for one in borne.clean if one.model == model]
        if own:
            means = np.mean([_mean(one) for one in own], 0)
            low, high = int(np.nanargmin(means)), int(np.nanargmax(means))
            names = own[0].classes
            parts.append(
                t(
                    "the {model} names {best} rightly most often ({most:.0f} %) and {worst} least often ({least:.0f} "
                    "%)",
                    model=model,
                    best=names[high],
                    most=100 * means[high],
                    worst=names[low],
                    least=100 * means[low],
                )
            )
    return t(
        "Averaged over all strengths of {count} perturbations, {told}.", count=len(found.borne), told=joined(parts)
    )
