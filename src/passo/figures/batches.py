"""What the batch size changes, in panels over one axis: gradient noise, loss, result, seconds per epoch."""

from __future__ import annotations

import numpy as np

from passo.analysis.batches import batch_sizes
from passo.analysis.words import spoken
from passo.figures.curves import about
from passo.figures.points import points
from passo.figures.style import BLUE, GREY, Figure, altair, data, finished
from passo.store import StoredStudy

GUIDE = "1/√(batch size)"


def batch_figure(study: StoredStudy, metric: str = "test/accuracy") -> Figure:
    """Noise, loss, result and time over the batch size."""
    alt = altair()
    found = batch_sizes(study, metric)
    sizes = [batch.size for batch in found.each]
    noise = "gradient noise" if found.gradients else "noise of the loss"
    first = found.noise(found.each[0]).mean
    guide = data({"x": sizes, "y": [first * float(np.sqrt(sizes[0] / size)) for size in sizes]})
    dashed = (
        alt.Chart(guide).mark_line(clip=True, strokeDash=[4, 4], color=GREY, strokeWidth=1.5).encode(x="x:Q", y="y:Q")
    )
    rows = (
        ([found.noise(b) for b in found.each], noise, "", True, [dashed]),
        ([b.end for b in found.each], "training loss", "", False, []),
        ([b.test for b in found.each], spoken(metric), metric, False, []),
        ([b.seconds for b in found.each], "seconds per epoch", "", True, []),
    )
    panels = [
        points(
            {"mean": list(zip(sizes, values, strict=True))},
            {"mean": BLUE},
            x="batch size" if i == len(rows) - 1 else None,
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
    count = found.noise(found.each[0]).n
    traced = f" of {'the first seed' if count == 1 else f'{count} seeds'}" if count < found.each[0].end.n else ""
    held = f" What else varies is as in the best configuration: {found.held}." if found.held else ""
    caption = (
        f"Over the batch size, logarithmic: {noise}{traced} (dashed: {GUIDE} through the first point), the training "
        f"loss of the last epoch, {spoken(metric)}, seconds per epoch ({found.clock}); means and 95 % intervals over "
        f"seeds.{held}"
    )
    title = finished(chart, "What the batch size changes", [line for line in (about(study), found.held) if line])
    return Figure("batch-size", title, caption, found.sentence())
