"""What the batch size changes, in panels over one axis: gradient noise, loss, result, seconds per epoch."""

from __future__ import annotations

import numpy as np

from passo.analysis.batches import BatchSizes, batch_sizes
from passo.analysis.words import spoken
from passo.figures.curves import about
from passo.figures.points import points
from passo.figures.style import BLUE, GREY, Figure, altair, data, finished
from passo.language import t
from passo.store import StoredStudy


def batch_figure(study: StoredStudy, metric: str = "test/accuracy") -> Figure:
    """Noise, loss, result and time over the batch size."""
    alt = altair()
    found = batch_sizes(study, metric)
    sizes = [batch.size for batch in found.each]
    noise = found.told_noise
    first = found.noise(found.each[0]).mean
    guide = data({"x": sizes, "y": [first * float(np.sqrt(sizes[0] / size)) for size in sizes]})
    dashed = (
        alt.Chart(guide).mark_line(clip=True, strokeDash=[4, 4], color=GREY, strokeWidth=1.5).encode(x="x:Q", y="y:Q")
    )
    rows = (
        ([found.noise(b) for b in found.each], noise, "", True, [dashed]),
        ([b.end for b in found.each], t("training loss"), "", False, []),
        ([b.test for b in found.each], spoken(metric), metric, False, []),
        ([b.seconds for b in found.each], t("seconds per epoch"), "", True, []),
    )
    panels = [
        points(
            {t("mean"): list(zip(sizes, values, strict=True))},
            {t("mean"): BLUE},
            x=t("batch size") if i == len(rows) - 1 else None,
            metric=of,
            y=title,
            log_y=log,
            height=110,
            over=over,
        )
        for i, (values, title, of, log, over) in enumerate(rows)
    ]
    for panel in panels:
        for layer in panel.layer[:3]:
            layer.encoding.color = alt.value(BLUE)
            layer.encoding.opacity = alt.value(1.0)
    chart = alt.vconcat(*panels, spacing=12).resolve_scale(x="shared")
    title = finished(chart, t("What the batch size changes"), [line for line in (about(study), found.held) if line])
    return Figure("batch-size", title, _caption(found), found.sentence())


def _caption(found: BatchSizes) -> str:
    noise, count = found.told_noise, found.noise(found.each[0]).n
    if count < found.each[0].end.n:
        one = t("{noise} of the first seed", noise=noise)
        noise = one if count == 1 else t("{noise} of {n} seeds", noise=noise, n=count)
    told = t(
        "Over the batch size, logarithmic: {noise} (dashed: 1/√(batch size) through the first point), the training "
        "loss of the last epoch, {metric}, seconds per epoch ({clock}); means and 95 % intervals over seeds.",
        noise=noise,
        metric=spoken(found.metric),
        clock=t(found.clock),
    )
    if not found.held:
        return told
    return f"{told} {t('What else varies is as in the best configuration: {held}.', held=found.held)}"
