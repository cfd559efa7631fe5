"""Cross-entropy of two models as entropy plus divergence: what targets hold, and how far each model is from them."""

from __future__ import annotations

from typing import Any

from passo.analysis.distances import SMOOTHING
from passo.analysis.divergences import Divergences, divergences
from passo.analysis.words import ranged, seeds
from passo.figures.panels import heading
from passo.figures.style import BLUE, INK, ORANGE, RED, Figure, altair, colour, data, finished
from passo.language import later, t
from passo.store import StoredStudy

ENTROPY = later("entropy, in the targets themselves")
WIDE, HIGH = 420, 24


def cross_entropy_pair(study: StoredStudy) -> Figure:
    """A bar for each model and target: the target's entropy, then the model's divergence with its interval."""
    found = divergences(study)
    panels = [_panel(found, place) for place in range(len(found.each[0].targets))]
    chart = altair().vconcat(*panels, spacing=8).resolve_scale(color="shared")
    caption = t(
        "H(p, q) = H(p) + KL(p ‖ q) on the test, {seeds}: orange is the entropy of the targets p, which no training "
        "lowers; in its model's colour the divergence, with its interval. Labels and labels smoothed by {smoothing:g}: "
        "means over images; shares of the classes: the mean label against the mean prediction. Each panel has its own "
        "axis.",
        seeds=seeds(found.n),
        smoothing=SMOOTHING,
    )
    first, second = found.labels
    title = finished(chart, t("Cross-entropy as a distance: the {first} and the {second}", first=first, second=second))
    return Figure("cross-entropy-pair", title, caption, found.sentence())


def _panel(found: Divergences, place: int) -> Any:
    alt = altair()
    labels, entropy = list(found.labels), found.each[0].entropy(place)
    parts = [one.divergence(place) for one in found.each]
    bars = {
        "model": labels * 2,
        "which": [t(ENTROPY)] * 2 + labels,
        "low": [0.0, 0.0, entropy, entropy],
        "high": [entropy, entropy, *(entropy + one.mean for one in parts)],
    }
    ends = {
        "model": labels,
        "low": [entropy + one.low for one in parts],
        "high": [entropy + one.high for one in parts],
        "at": [entropy + (one.high if one.known else one.mean) for one in parts],
        "word": [ranged(one) for one in parts],
    }
    top = max(ends["at"])
    y = alt.Y("model:N", sort=labels, axis=alt.Axis(title=None, domain=False, ticks=False, labelFontSize=12))
    last = place == len(found.each[0].targets) - 1
    scale = alt.Scale(domain=[0, 1.62 * top], nice=False)
    x = alt.X("low:Q", scale=scale, axis=alt.Axis(title=t("nats") if last else None, tickCount=6, format="~g"))
    shade = colour("which", [t(ENTROPY), *labels], [ORANGE, BLUE, RED])
    known = alt.Chart(data(ends)).encode(y=y)
    return alt.layer(
        alt.Chart(data(bars)).mark_bar(height=15, opacity=0.88).encode(y=y, x=x, x2="high:Q", color=shade),
        known.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.8, color=INK)
        .encode(x="low:Q", x2="high:Q"),
        known.mark_text(align="left", dx=6, fontSize=11, color=INK).encode(x="at:Q", text="word:N"),
    ).properties(width=WIDE, height=HIGH * 2, title=heading(t(found.each[0].targets[place])))
