"""A training that left the finite numbers, read years later: what was found then, and the last steps before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.inspected import layer_table
from passo.analysis.layers import Layers, layers
from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import later, numeral, t
from passo.store import StoredRun
from passo.telling import told

STEPS = 8  # before the divergence that a table shows
WHERE = {
    "input": later("the batch itself"),
    "parameter": later("the parameter {name}"),
    "output": later("the output of {name}"),
    "loss": later("the loss alone"),
    "gradient": later("the gradient of {name}"),
    "update": later("the update of {name}"),
}
"""Where the first tensor that is not finite was found, by kind (`experiments.diverged.Found`)."""


@dataclass(frozen=True)
class Lost:
    """What a run kept of its divergence: `step` is where the first tensor `found` was not finite, `seen_at` when it
    showed in `what`. `images` and `culprits` are positions in the data set's file.
    """

    step: int
    seen_at: int
    what: str
    epoch: int
    lr: float
    found: Mapping[str, Any] | None
    images: Sequence[int]
    culprits: Sequence[int]
    kept: int | None
    sentence: str

    def table(self) -> Table:
        """What was found, a row for each fact."""
        rows = [(t("it showed in"), told(self.what)), (t("at step"), numeral(f"{self.seen_at:,}"))]
        if self.step != self.seen_at:
            rows.append((t("because of step"), numeral(f"{self.step:,}")))
        rows += [(t("epoch"), str(self.epoch)), (t("learning rate"), significant(self.lr))]
        if self.found:
            kind, name = str(self.found.get("kind")), str(self.found.get("name"))
            where = t(WHERE[kind], name=name) if "{name}" in WHERE.get(kind, "") else t(WHERE.get(kind, kind))
            share = t(
                "{n:,} of {size:,} elements", n=int(self.found.get("elements", 0)), size=int(self.found.get("size", 0))
            )
            rows.append((t("first not finite"), f"{where}: {share}"))
        if self.images:
            rows.append((t("images of the batch"), numeral(f"{len(self.images):,}")))
        if self.culprits:
            some = ", ".join(map(str, self.culprits[:STEPS])) + (", …" if len(self.culprits) > STEPS else "")
            rows.append((t("of which give it"), f"{len(self.culprits)}: {some}"))
        rows.append((t("state that was kept"), "–" if self.kept is None else t("after step {n:,}", n=self.kept)))
        return Table((t("fact"), ""), tuple(rows))


def lost(run: StoredRun) -> Lost | None:
    """What is known of a run's divergence; None where there was none, or where what was kept cannot be read."""
    found = run.info.get("diverged")
    try:
        return None if found is None else _read(found)
    except (KeyError, TypeError, ValueError):  # another's study: its event still tells
        return None


def _read(found: Mapping[str, Any]) -> Lost:
    return Lost(
        int(found["step"]),
        int(found["seen_at"]),
        str(found["what"]),
        int(found["epoch"]),
        float(found["lr"]),
        None if found.get("found") is None else dict(found["found"]),
        tuple(map(int, found.get("images", ()))),
        tuple(map(int, found.get("culprits", ()))),
        None if found.get("kept") is None else int(found["kept"]),
        str(found["sentence"]),
    )


def steps_before(run: StoredRun, step: int) -> Table:
    """The last steps up to a divergence: the loss, and of what was watched the layers with the largest gradient and
    weights. Raises `StoreError` where nothing of them was recorded.
    """
    losses = run.metric("train/loss")
    at = [i for i, one in enumerate(losses.steps) if one <= step][-STEPS:]
    heads, columns = [t("step"), t("loss")], [[int(losses.steps[i]) for i in at]]
    rows = [[numeral(f"{s:,}"), significant(float(losses.values[i]))] for i, s in zip(at, columns[0], strict=True)]
    if "statistics" in run.arrays():
        seen = layers(run)
        heads += [t("largest rms(g)"), t("of the layer"), t("largest rms(θ)"), t("of the layer")]
        for row, there in zip(rows, columns[0], strict=True):
            row += [*_largest(seen, "grad", there), *_largest(seen, "theta", there)]
    if not rows:
        raise StoreError(f"run {run.id} recorded no loss before step {step}")
    return Table(tuple(heads), tuple(map(tuple, rows)))


def last_layers(run: Recorded) -> tuple[int, Table] | None:
    """Every layer at the last step whose gradients were all finite, and that step; None where none was watched."""
    if "statistics" not in run.arrays() or not len(run.array("trace/steps")):
        return None
    seen = layers(run)
    finite = np.flatnonzero(np.isfinite(seen.rms["grad"]).all(1))
    if not len(finite):
        return None
    step = int(seen.steps[finite[-1]])
    return step, layer_table(run, step)


def _largest(seen: Layers, stage: str, step: int) -> tuple[str, str]:
    """The largest rms of a stage at a step, and whose it is; one that is not finite is the largest."""
    row = np.flatnonzero(seen.steps == step)
    if not len(row) or stage not in seen.rms:
        return "–", "–"
    values = seen.rms[stage][row[0]]
    bad = np.flatnonzero(~np.isfinite(values))
    which = int(bad[0]) if len(bad) else int(np.argmax(values))
    value = float(values[which])
    return significant(value) if math.isfinite(value) else f"{value:g}", seen.names[which]
