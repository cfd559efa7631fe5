"""What the scripts of pages say, in the reader's language."""

from __future__ import annotations

from inspect import signature
from typing import Any

from passo.figures.watched import RUN_FIGURES
from passo.language import number_marks, numeral, t


def spoken_words() -> dict[str, Any]:
    """Words of the scripts, and what each figure takes."""
    return {
        "step": t("step"),
        "epoch": t("epoch"),
        "rate": t("learning rate"),
        "ago": t("steps ago"),
        "weight": t("weight in the average"),
        "point": numeral("."),
        "locale": number_marks(),
        "i18n": {
            "CLICK_TO_VIEW_ACTIONS": t("Save this chart"),
            "PNG_ACTION": t("Save as PNG"),
            "SVG_ACTION": t("Save as SVG"),
        },
        "takes": {name: [*signature(RUN_FIGURES[name]).parameters] for name in RUN_FIGURES},
    }
