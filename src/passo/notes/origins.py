"""Which runs the words of a text come from, so that each number can lead to them.

A study's settings (epochs, images, seeds) come from the study itself, which stands among the runs as `STUDY`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from passo.notes.content import Group, Table
from passo.notes.pair_vocabulary import FOUND
from passo.notes.sourced import opened, sourced, tracked
from passo.notes.spoken import Speech
from passo.notes.subjects import Words
from passo.notes.tables import GRID, MEMORIES, PATHS, SCHEDULED, VARIANTS, WATCHED
from passo.notes.values import Values
from passo.store import StoredStudy

STUDY = ""
_SETTINGS = ("seeds", "data", "model", "parameters", "steps_per_epoch", "epochs", "batch_size", "first_seed", "runs")
_SETTINGS += ("configurations", "t_factor", "pair", "training", "trainings", "measured", "seconds")
_CHOOSING = ("label", "best", "nearest", "ranked")  # they give a name: what is asked of it has runs of its own
_OF_FIRST_SEED = ("watched", "belief", "changes", "final_rate")
_PARTS = {"small": "small", "validated": "validated", "sizes": "sizes", "imbalance": "imbalance", "fewer": "classes"}
_PARTS |= {"exploration": "exploration", "confused": "base"}
_LOOKS = {"robustness": "robustness", "flips": "robustness"}
_LOOKS |= dict.fromkeys(("embedded", "attributed", "trusted", "mapped"), "seeing")
_AGAINST = {"variants": ("adam", *VARIANTS), "memories": ("sgd", *MEMORIES[1:]), "scheduled": ("nesterov", *SCHEDULED)}
"""Tables of `optimizers` that hold each configuration against the first."""


def led(study: StoredStudy, words: Words) -> Words:
    """What a text may use, each word with the runs it comes from, and tables whose rows have theirs.

    A word that is asked about configurations comes from their runs, whatever the study; one that stands for a part of a
    study of two models, from the part's.
    """
    known = {group.name: group.ids for group in _by_configuration(study)}
    named = functools.partial(_named, known)
    owners = {word: functools.partial(named, most=1) for word in _OF_FIRST_SEED} | dict.fromkeys(_CHOOSING, _nothing)
    told = {
        # How labels are spoken has methods, which a function around it would hide; calls follow the runs by themselves.
        word: tracked(value, owners.get(word, named)) if callable(value) and not isinstance(value, Speech) else value
        for word, value in words.vocabulary.items()
    }
    told |= {word: sourced(value, [STUDY]) for word, value in told.items() if word in _SETTINGS}
    if study.facts.get("pair"):
        told |= {word: tracked(told[word], functools.partial(_of_part, study, word)) for word in FOUND if word in told}
    elif study.name == "optimizers":
        told |= _of_optimizers(told, named)
    tables = {name: functools.partial(_table, study, named, name, make) for name, make in words.tables.items()}
    return replace(words, vocabulary=told, tables=tables)


def _of_optimizers(words: Mapping[str, Any], named: Callable[..., frozenset[str]]) -> dict[str, Any]:
    """The words of `optimizers` that are values of certain runs."""
    surface, watched = named("line-surface"), named(*WATCHED, most=1)
    of = {"surface": surface, "curvature": surface, "worst_roundings": watched, "watched_steps": watched}
    return {word: sourced(words[word], runs) for word, runs in of.items() if word in words}


def _table(study: StoredStudy, named: Callable[..., frozenset[str]], name: str, make: Callable[[], Table]) -> Table:
    """A table, its rows with the runs that they come from, where that is known."""
    found = make()
    if study.facts.get("pair"):
        return replace(found, origins=(_of_part(study, name),) * len(found.rows)) if name in FOUND else found
    if study.name != "optimizers":
        return found
    rows = {one: [(names[0], row) for row in names] for one, names in _AGAINST.items()}
    rows |= {"paths": [(row,) for row in (*PATHS, *GRID)]}
    if name == "results":
        rows[name] = [(row,) for row in Values(study).ranked()]
    return replace(found, origins=tuple(named(*row) for row in rows[name])) if name in rows else found


def _nothing(*_: Any, **__: Any) -> frozenset[str]:
    return frozenset()


def _named(known: Mapping[str, tuple[str, ...]], *names: Any, most: int | None = None, **_: Any) -> frozenset[str]:
    """The runs of the configurations that are named in what a word is given; at most so many of each."""
    found: set[str] = set()
    for name in opened(names)[0]:
        if isinstance(name, list | tuple):
            found |= _named(known, *name, most=most)
        elif isinstance(name, str):
            found |= set(known.get(name, ())[:most])
    return frozenset(found)


def _of_part(study: StoredStudy, word: str, *_: Any) -> frozenset[str]:
    """The runs that an analysis of two models reads: those of its part, its looks, or all of them."""
    if word in _LOOKS:
        return frozenset(run.id for run in study.select(kind=_LOOKS[word]))
    told, part = study.facts.get("configurations", {}), _PARTS.get(word)
    wanted = {name for name, one in told.items() if part in (None, one["entry"], *one["parts"])}
    return frozenset(run.id for run in study.select() if run.name in wanted)


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────────────


def groups(study: StoredStudy) -> tuple[Group, ...]:
    """The runs that ended: by configuration; of two models, by the entry of the study's file, since they are many."""
    entries = {name: told["entry"] for name, told in study.facts.get("configurations", {}).items()}
    if not entries:
        return _by_configuration(study)
    found: dict[tuple[str, str], list[Group]] = {}
    for one in _by_configuration(study):
        name = entries.get(one.name, "") if one.kind == "train" else one.kind
        found.setdefault((one.kind, name), []).append(one)
    return tuple(_united(name, kind, several) for (kind, name), several in found.items())


def _by_configuration(study: StoredStudy) -> tuple[Group, ...]:
    found: dict[tuple[str, str], list[Any]] = {}
    for run in study.runs:
        if run.status == "done":
            found.setdefault((run.kind, run.name), []).append(run)
    ordered = ((key, sorted(runs, key=lambda run: -1 if run.seed is None else run.seed)) for key, runs in found.items())
    return tuple(
        Group(name, kind, tuple(run.seed for run in runs if run.seed is not None), tuple(run.id for run in runs))
        for (kind, name), runs in ordered
    )


def _united(name: str, kind: str, several: Iterable[Group]) -> Group:
    several = list(several)
    seeds = sorted({seed for one in several for seed in one.seeds})
    return Group(name, kind, tuple(seeds), tuple(run for one in several for run in one.ids), len(several))
