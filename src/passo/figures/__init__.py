"""Computed results turned into charts. No torch; nothing is trained here, and nothing needs a network.

>>> sorted(FIGURES)[:3]
['adam-apart', 'adapted-gradients', 'coasting']
"""

from __future__ import annotations

from collections.abc import Callable

from passo.figures.attributed import gradcam
from passo.figures.averages import ewma_bias, ewma_gradients, ewma_series, ewma_weights
from passo.figures.calibrated import calibration_pair
from passo.figures.choices import CHOICE_FIGURES
from passo.figures.compared import COMPARED, Wish, draw_compared
from passo.figures.confused import draw_confusion_pair
from passo.figures.curves import adam_apart, curves_chart, final_accuracy, final_curves, sgd_curves
from passo.figures.defaults import coasting, library_defaults
from passo.figures.descents import schedule_paths, sgd_paths
from passo.figures.differences import forest
from passo.figures.divergences import cross_entropy_pair
from passo.figures.embedded import embedding_pair
from passo.figures.exploration import draw_exploration
from passo.figures.fewer import draw_classes
from passo.figures.flips import draw_flipped_images, draw_flips
from passo.figures.hardest_pair import draw_hardest_pair
from passo.figures.imbalance import draw_imbalance, draw_imbalance_classes
from passo.figures.landscapes import landscape_chart
from passo.figures.mapped import feature_maps_pair, filters_pair
from passo.figures.matched import matched
from passo.figures.predictions import cross_entropy
from passo.figures.ranges import lr_range, range_chart, range_figure
from passo.figures.rates import rates
from passo.figures.robustness import draw_robustness, draw_robustness_classes
from passo.figures.schedules import schedule_chart, schedule_effects, schedule_shapes
from passo.figures.sizes import accuracy_over_sizes
from passo.figures.small import small_losses, small_validation
from passo.figures.style import Figure
from passo.figures.traces import adapted_gradients, final_adapted, momentum_limit, sgd_traces, stage_chart
from passo.figures.trusted import trust
from passo.figures.watched import RUN_FIGURES, draw_run
from passo.figures.weights import study_weights
from passo.registry import Registry, unknown
from passo.store import StoredStudy

FIGURES: Registry[Callable[[StoredStudy], Figure]] = Registry("figure")
for _draw in (
    ewma_weights,
    ewma_series,
    ewma_bias,
    ewma_gradients,
    adam_apart,
    adapted_gradients,
    sgd_traces,
    momentum_limit,
    sgd_paths,
    sgd_curves,
    schedule_shapes,
    schedule_effects,
    schedule_paths,
    lr_range,
    final_curves,
    final_adapted,
    final_accuracy,
    library_defaults,
    coasting,
    rates,
    cross_entropy,
):
    FIGURES.add(_draw.__name__.replace("_", "-"), _draw)

PAIR_FIGURES: Registry[Callable[[StoredStudy], Figure]] = Registry("figure of two models")
"""The figures of a study that compares two models (`passo.analysis.pair`); `draw` knows them too."""
PAIR_FIGURES.add("matched", matched)
PAIR_FIGURES.add("small-losses", small_losses)
PAIR_FIGURES.add("small-validation", small_validation)
PAIR_FIGURES.add("sizes", accuracy_over_sizes)
PAIR_FIGURES.add("calibration-pair", calibration_pair)
PAIR_FIGURES.add("cross-entropy-pair", cross_entropy_pair)
PAIR_FIGURES.add("differences", forest)
PAIR_FIGURES.add("embedding-pair", embedding_pair)
PAIR_FIGURES.add("robustness", draw_robustness)
PAIR_FIGURES.add("robustness-classes", draw_robustness_classes)
PAIR_FIGURES.add("flips", draw_flips)
PAIR_FIGURES.add("flipped-images", draw_flipped_images)
PAIR_FIGURES.add("gradcam", gradcam)
PAIR_FIGURES.add("trust", trust)
PAIR_FIGURES.add("filters-pair", filters_pair)
PAIR_FIGURES.add("feature-maps-pair", feature_maps_pair)
PAIR_FIGURES.add("confusion-pair", draw_confusion_pair)
PAIR_FIGURES.add("hardest-pair", draw_hardest_pair)
PAIR_FIGURES.add("imbalance", draw_imbalance)
PAIR_FIGURES.add("imbalance-classes", draw_imbalance_classes)
PAIR_FIGURES.add("classes", draw_classes)
PAIR_FIGURES.add("exploration", draw_exploration)
for _name, _choice in CHOICE_FIGURES.items():
    PAIR_FIGURES.add(_name, _choice)


def draw(name: str, study: StoredStudy) -> Figure:
    """One figure of a study, by its name.

    Raises `UnknownName` for a figure that does not exist or a configuration that the study lacks, `StoreError`
    where a run did not record what the figure shows, `MissingExtra` where altair is not installed.
    """
    if name not in FIGURES and name not in PAIR_FIGURES:
        raise unknown("figure", name, [*FIGURES, *PAIR_FIGURES])
    return (FIGURES if name in FIGURES else PAIR_FIGURES)[name](study)


def draw_all(study: StoredStudy) -> list[Figure]:
    """Every figure of the study of optimizers, in the order of their names."""
    return [draw(name, study) for name in FIGURES]


__all__ = [
    "COMPARED",
    "FIGURES",
    "PAIR_FIGURES",
    "RUN_FIGURES",
    "Figure",
    "Wish",
    "curves_chart",
    "draw",
    "draw_all",
    "draw_compared",
    "draw_run",
    "landscape_chart",
    "range_chart",
    "range_figure",
    "schedule_chart",
    "stage_chart",
    "study_weights",
]
