"""The tables of a note on any study: what was set, how it ranks, what each analysis lists."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from passo.analysis import tables as analysed
from passo.analysis.claims import beside
from passo.analysis.paired import APART, gap
from passo.analysis.varied import called, flat, number, settings
from passo.analysis.words import ranged, spoken
from passo.language import later, t, tn
from passo.notes.content import Table
from passo.notes.general import Results, parts
from passo.notes.spoken import escaped

ROWS = 30  # of a table in a note; a longer one has its first rows
VERDICTS = {"higher": later("higher"), "lower": later("lower"), APART: later("not distinguishable")}
_SILENT = (None, False, 0, 0.0, "none", "auto", "stop", "float32")  # settings at rest, that nobody asks for
_INSIDE = ("seed", "record", "device", "devices", "num_workers", "task", "nonfinite", "decay_biases", "accumulate")
_AT_REST = ("dataset.in_memory", "dataset.perturbed", "dataset.seed")


def tables(found: Results) -> dict[str, Callable[[], Table]]:
    """Every table by its name, computed when it is placed."""
    there = parts(found)
    listed = {name: functools.partial(_of, compute) for name, compute in there.items() if name != "overfitting"}
    own = {"ranked": ranking, "settings": shared, "lost": lost}
    made: dict[str, Callable[[], Table]] = {name: functools.partial(make, found) for name, make in own.items()}
    return {**listed, **made, "claims-beside": lambda: _shown(beside(found.study))}


def ranking(found: Results) -> Table:
    """Every configuration by its result, and how it stands to the first, corrected for how many were compared."""
    rows = []
    for outcome in found.fair.comparison.outcomes:
        row = (f"`{outcome.name}`", escaped(ranged(outcome, found.metric)), str(outcome.n))
        pair = found.fair.against.get(outcome.name)
        if pair is None:
            rows.append((*row, "", ""))
            continue
        verdict = t("only by itself") if pair.alone else t(VERDICTS[pair.verdict])
        rows.append((*row, escaped(gap(pair, found.metric)), verdict))
    head = (t("configuration"), escaped(spoken(found.metric)), t("seeds"), t("minus the first"), t("told apart"))
    return _cut(head, tuple(rows), escaped(found.fair.note()))


def shared(found: Results) -> Table:
    """What all trainings share, and the values of what varies."""
    varied = settings(found.study)
    values = {key: ", ".join(f"`{number(value)}`" for value in varied.values(key)) for key in varied.keys}
    rows = [(t("varied: {setting}", setting=escaped(called(key))), f"`{key}`", told) for key, told in values.items()]
    for key, value in settings_of(found.reference.config).items():
        if not any(one == key or one.startswith(f"{key}.") for one in varied.keys):
            rows.append((escaped(called(key)), f"`{key}`", f"`{number(value)}`"))
    return _cut((t("setting"), t("key"), t("values")), tuple(rows), t("What the trainings vary and what they share."))


def lost(found: Results) -> Table:
    """The runs without a result, and why."""
    there = [run for run in found.study.runs if run.status in ("diverged", "failed")]
    rows = tuple((f"`{run.id}`", t(_ENDED[run.status]), escaped(run.error or "")) for run in there)
    return _cut((t("run"), t("how it ended"), t("why")), rows, t("Runs that ended without a result."))


_ENDED = {"diverged": later("diverged"), "failed": later("failed")}


def _of(compute: Callable[[], Any]) -> Table:
    return _shown(compute().table())


def _shown(table: analysed.Table) -> Table:
    """A table of an analysis as a note has it: signs escaped, names of configurations as code."""
    rows = tuple((f"`{first}`", *map(escaped, others)) for first, *others in table.rows)
    return _cut(tuple(map(escaped, table.columns)), rows, escaped(table.note))


def _cut(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], caption: str) -> Table:
    """The first rows, and in the caption how many more there are."""
    more = len(rows) - ROWS
    told = tn("{n} row more is in the study.", "{n} rows more are in the study.", more) if more > 0 else ""
    return Table(columns, rows[:ROWS], " ".join(part for part in (caption, told) if part))


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen of a training's configuration, by dotted keys: without what is at rest or changes no result."""
    return {
        key: value
        for key, value in flat(config).items()
        if key.split(".")[0] not in _INSIDE and key not in _AT_REST and value not in _SILENT and value != ()
    }
