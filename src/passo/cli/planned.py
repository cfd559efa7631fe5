"""What a study would run, in words and tables: its runs, their groups, and what they would take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from passo.cli.show import out, table
from passo.errors import PassoError
from passo.language import numeral, t, tn
from passo.telling import told

if TYPE_CHECKING:
    from passo.experiments.estimating import Estimate
    from passo.experiments.stages import Task
    from passo.experiments.studyform import StudyFile
    from passo.experiments.studyruns import Configuration

ROWS = 20  # of a table that may have thousands


def plan(file: StudyFile, estimated: bool, given: str) -> None:
    """Tell what a study runs, how many, in which groups, and how long that takes; `given` is what it was named by."""
    from passo.experiments.grouping import groups
    from passo.experiments.stages import first_trainings

    out.print(f"[bold]{file.name}[/]", end="")
    out.print(f": {t(file.description)}" if file.description else "", markup=False)
    seeds = _few([str(seed) for seed in file.seeds])
    if file.coarse_to_fine:
        words = tn("at most {n:,} run; seeds {seeds}", "at most {n:,} runs; seeds {seeds}", file.count, seeds=seeds)
    else:
        words = tn("{n:,} run; seeds {seeds}", "{n:,} runs; seeds {seeds}", file.count, seeds=seeds)
    out.print(words, markup=False)
    if file.base:
        out.print(t("base: {settings}", settings=typed(file.base)), markup=False, soft_wrap=True)
    for line in _varied(file):
        out.print(line, markup=False)
    _runs(file)
    found = groups(first_trainings(file))
    if found:
        seeds = len(file.seeds)
        _groups(found, seeds, _estimates(found, seeds) if estimated else [None] * len(found))
        _hint(found, seeds, given)
    if file.search is not None:
        out.print(t("These are the first round's; the later ones depend on what it gives."))


def _hint(found: list[list[Task]], seeds: int, name: str) -> None:
    """How many of the trainings one network could make: most users do not know that it can."""
    from passo.experiments.eligible import fusable

    could = sum(len(group) * seeds for group in found[:ROWS] if len(group) * seeds > 1 and fusable(group[0]))
    if could:
        words = t(
            "{n:,} of them are of a kind that one network can train, often several times quicker: {command}",
            n=could,
            command=f"passo study run {shlex.quote(name)} --executor auto",
        )
        out.print(words, markup=False)


def typed(settings: Mapping[str, Any]) -> str:
    """Settings as one types them behind `--set` or `passo train`, words that a shell takes as they are.

    >>> typed({"model": {"name": "mlp", "hidden": [8]}, "optimizer": {"name": "sgd", "lr": 0.1, "nesterov": True}})
    "model=mlp 'model.hidden=[8]' optimizer=sgd lr=0.1 optimizer.nesterov=true"
    """
    return " ".join(shlex.quote(f"{key}={typed_value(value)}") for key, value in _keys(settings, ""))


def _keys(settings: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Each key with its dots; a section's name is the section's own, and a rate the optimizer's."""
    for key, value in settings.items():
        whole = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            yield from _keys(value, f"{whole}.")
        elif value is not None or before:
            yield "lr" if whole == "optimizer.lr" else before[:-1] if before and key == "name" else whole, value


def typed_value(value: Any) -> str:
    """A value as one types it: a word stands as it is, unless it would be read as something else."""
    from passo.training.config import literal

    if isinstance(value, str):
        return value if literal(value) == value else repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(repr(one) if isinstance(one, str) else typed_value(one) for one in value)}]"
    return str(value).lower() if isinstance(value, bool) or value is None else repr(value)


def _few(words: list[str], most: int = 12) -> str:
    more = t(", … ({n:,} in all)", n=len(words)) if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _varied(file: StudyFile) -> list[str]:
    """One line for each table that varies something."""
    lines = []
    for name in ("grid", "zip"):
        lines += [
            f"{name}: {key} = {_few([_varying(v) for v in values])}" for key, values in getattr(file, name).items()
        ]
    for name in ("random", "coarse_to_fine", "tpe", "successive_halving"):
        entry = getattr(file, name)
        if entry is not None:
            own = {key: value for key, value in entry.model_dump().items() if key != "keys"}
            keys = [f"{key}: {_varying(value)}" for key, value in entry.keys.items()]
            lines.append("; ".join([f"{name}: {_varying(own)}", *keys]))
    return lines


def _varying(value: Any) -> str:
    """A value that varies, or of what it is drawn."""
    if isinstance(value, Mapping) and "name" in value:
        return typed(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {typed_value(inner)}" for key, inner in value.items())
    return typed_value(value)


def _runs(file: StudyFile) -> None:
    """Names, and what each changes; the first ones of many."""
    runs = [run for run in file.configurations if run.name]
    rows: list[tuple[str, str, Any]] = [("train", run.name, _unsaid(file, run)) for run in runs[:ROWS]]
    if len(runs) > ROWS:
        rows.append(("train", t("… and {count:,} more", count=len(runs) - ROWS), {}))
    rows += [("lr_range", entry.name, {"optimizer": entry.optimizer}) for entry in file.ranges]
    rows += [
        ("descent", entry.name, {"optimizer": entry.optimizer, "schedule": entry.schedule}) for entry in file.descents
    ]
    rows += [("schedule", entry.title, {"schedule": entry.schedule}) for entry in file.previews]
    if any(changes for *_, changes in rows):
        table((t("kind"), t("name"), t("what it changes")), [(*row, typed(changes or {})) for *row, changes in rows])
    elif rows:
        table((t("kind"), t("name")), [tuple(row) for *row, _ in rows])


def _unsaid(file: StudyFile, run: Configuration) -> dict[str, Any]:
    """What a run changes and its name does not say."""
    from passo.experiments.naming import spelled

    said = run.name.split(",")
    return {key: value for key, value in run.changes.items() if f"{file.short.get(key)}={spelled(value)}" not in said}


def _estimates(found: list[list[Task]], seeds: int) -> list[Estimate | None]:
    """Measured, or the reason why not."""
    from passo.experiments.estimating import estimates

    try:
        return estimates(found, threads=threads_for(seeds * sum(map(len, found))))
    except PassoError as error:
        out.print(t("no estimate: {why}", why=told(str(error))), markup=False)
        return [None] * len(found)


def threads_for(runs: int) -> int:
    """How many a run will have."""
    import torch

    return max(1, torch.get_num_threads() // jobs_for(runs))


def jobs_for(runs: int) -> int:
    from passo.experiments.executors import default_jobs

    return min(default_jobs(), runs)


def _groups(found: list[list[Task]], seeds: int, measured: list[Estimate | None]) -> None:
    """The groups as a table, and the time of all runs together; `found` holds one task for all seeds."""
    from rich.filesize import decimal

    rows = []
    for number, (group, one) in enumerate(zip(found[:ROWS], measured, strict=False), start=1):
        settings = group[0].settings
        model = {key: value for key, value in settings["model"].items() if key not in ("name", "dropout")}
        data = settings["dataset"]["name"]
        epochs = sorted({task.settings["epochs"] for task in group})
        cost = ("", "") if one is None else (_took(seconds_each(group, one)), numeral(decimal(one.bytes)))
        name = f"{settings['model']['name']} {typed(model)}".strip()
        lengths = f"{epochs[0]}–{epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
        count = numeral(f"{len(group) * seeds:,}")
        rows.append((number, count, name, data, settings["batch_size"], lengths, *cost))
    counted = (t("group"), t("runs"))
    sizes = (t("batch"), t("epochs"), t("one run"), t("its memory"))
    table((*counted, t("model"), t("data"), *sizes), rows, right=(*counted, *sizes))
    if left := max(0, len(found) - ROWS):
        out.print(tn("… and {n:,} more group", "… and {n:,} more groups", left))
    known = [
        (len(group), seconds_each(group, one)) for group, one in zip(found, measured, strict=True) if one is not None
    ]
    if known:
        runs = seeds * sum(map(len, found))
        seconds = runs * sum(count * each for count, each in known) / sum(count for count, _ in known)
        jobs = jobs_for(runs)
        took = {"time": _took(seconds / jobs), "jobs": jobs}
        if jobs > 1:
            words = tn(
                "{n:,} training: about {time} {jobs} at a time, as measured now",
                "{n:,} trainings: about {time} {jobs} at a time, as measured now",
                runs,
                **took,
            )
        else:
            words = tn(
                "{n:,} training: about {time} one after another, as measured now",
                "{n:,} trainings: about {time} one after another, as measured now",
                runs,
                time=took["time"],
            )
        if len(known) < len(found):
            words += t(", judged by {known} of {all:,} groups", known=len(known), all=len(found))
        out.print(words)


def seconds_each(group: list[Task], one: Estimate) -> float:
    """Of a run of the group, the mean: the first was measured, and they may differ in their epochs."""
    epochs = [task.settings["epochs"] for task in group]
    return one.seconds * sum(epochs) / len(epochs) / epochs[0]


def _took(seconds: float) -> str:
    """A time, as exact as an estimate is."""
    if seconds < 100:
        return numeral(f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s")
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
