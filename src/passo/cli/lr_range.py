"""`passo lr-range`: which learning rate, over seeds, with intervals; and whether it holds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.show import err, out, progress, saved_as
from passo.cli.training import Force, Out, Sample, Settings, configuration, read_toml
from passo.errors import ConfigError, StoreError, TrainingError
from passo.language import numeral, t, tn
from passo.telling import told

if TYPE_CHECKING:
    from passo.analysis import RangeSummary
    from passo.experiments.stages import Task
    from passo.figures import Figure
    from passo.store import Store
    from passo.training import TrainConfig

LR = re.compile(r"(optimizer\.)?lr=")
CHARTS = (".png", ".svg", ".html")


def lr_range(
    settings: Settings = None,
    lr_min: Annotated[float, typer.Option(help="The first learning rate.")] = 1e-6,
    lr_max: Annotated[float, typer.Option(help="The last learning rate.")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many mini-batches, one for each rate.")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="How many tests: each with its own weights, batches, dropout.")] = 3,
    mode: Annotated[str, typer.Option(help="How the rates are spaced: exponential or linear.")] = "exponential",
    suggest: Annotated[
        str, typer.Option(help="The rule whose suggestion counts: steepest, valley, minimum/10 or slide.")
    ] = "steepest",
    beta: Annotated[float, typer.Option(help="The weight of the past in the smoothed loss.")] = 0.9,
    divergence: Annotated[float, typer.Option(help="Stop at so many times the lowest smoothed loss.")] = 4.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Train briefly at the suggestion, a third of it and three times it.")
    ] = False,
    verify_steps: Annotated[int, typer.Option(min=5, help="The steps of each of those trainings.")] = 200,
    chart: Annotated[Path | None, typer.Option(help="Save the picture here too: .png, .svg or .html.")] = None,
    out_: Out = None,
    force: Force = False,
    allow_sample: Sample = False,
) -> None:
    """Raise the learning rate step by step and suggest one: passo lr-range model=lenet optimizer=adam --seeds 5"""
    from passo import store
    from passo.analysis import lr_ranges
    from passo.experiments.assembling import assemble, check_predicts, load_data
    from passo.experiments.range_runs import without_schedule
    from passo.experiments.ranges import RangePlan
    from passo.experiments.suggesting import check_rule
    from passo.training import environment, keep_memory

    plan = {"lr_min": lr_min, "lr_max": lr_max, "steps": steps, "mode": mode, "beta": beta, "divergence": divergence}
    RangePlan(**plan)
    plan["suggest"] = check_rule(suggest)
    if chart is not None and chart.suffix not in CHARTS:
        raise ConfigError(f"--chart must end in {', '.join(CHARTS)}, got {chart}")
    given = configuration(settings or [], allow_sample)
    config = without_schedule(given)
    keep_memory()
    data = load_data(config)
    parts = assemble(config, data)  # a mistake shows before a folder is made
    check_predicts(parts.task, "a range test")
    if _sets_lr(settings or []):
        words = t("lr takes no part: a range test sets the learning rate itself, from --lr-min to --lr-max")
        err.print(words, soft_wrap=True)
    if given.schedule is not None:
        words = t(
            "the schedule {name} takes no part: a range test moves the learning rate itself", name=given.schedule.name
        )
        err.print(words)
    name = f"range-{config.optimizer.name}"
    chosen = {"training": config.model_dump(mode="json"), **plan, "seeds": seeds}
    chosen |= {"verify_steps": verify_steps} if verify else {}
    folder = out_ if out_ is not None else store.fresh(name)
    with store.Store.create(folder, name=name, config=chosen, force=force) as study:
        study.facts(data=data.facts(), environment=environment(parts.device))
        with progress("last") as bar:
            line = bar.add_task(name, total=seeds * (4 if verify else 1), last="")
            for last in _performing(study, config, plan, name, seeds, verify_steps if verify else 0):
                bar.update(line, advance=1, last=last)
    parties = {"model": config.model.name, "optimizer": config.optimizer.name}
    about = t("{model} with {optimizer}", **parties)
    summary = replace(lr_ranges(store.open_study(folder), name), name=about)
    _tell(folder, summary, verify)
    sizes = {"dataset": config.dataset.name, "size": config.batch_size}
    _draw(folder, summary, verify, chart, t("{about} on {dataset}, batches of {size}", about=about, **sizes))
    command = _hint(settings or [], summary.suggestion)
    out.print(t("train with it: {command}", command=command), markup=False, soft_wrap=True)


def _performing(
    study: Store, config: TrainConfig, plan: Mapping[str, Any], name: str, seeds: int, verify_steps: int
) -> Iterator[str]:
    """Every test, then every training that verifies what they suggest; yields what to say of each."""
    from passo import store
    from passo.analysis import lr_ranges
    from passo.experiments.stages import Task
    from passo.experiments.verifying import FACTOR, pairs

    chosen = range(config.seed, config.seed + seeds)
    configs = {seed: config.model_copy(update={"seed": seed}).model_dump(mode="json") for seed in chosen}
    tests = [Task("lr_range", name, seed, {"training": configs[seed], **plan}) for seed in chosen]
    yield from _each(study, tests)
    if not any(study.has(task.name, task.seed) for task in tests):
        raise TrainingError(str(study.read("SELECT error FROM runs WHERE status='failed' LIMIT 1")[0][0]))
    if verify_steps:
        suggested = lr_ranges(store.open_study(study.folder), name).suggestion
        fixed = {"lr": suggested, "verify_factor": FACTOR, "steps": verify_steps}
        for seed, factor in pairs(chosen):
            task = Task(
                "lr_verify", f"verify-{factor:.3g}x", seed, {"training": configs[seed], **fixed, "factor": factor}
            )
            yield from _each(study, [task])


def _each(study: Store, tasks: list[Task]) -> Iterator[str]:
    """Do what is not there and done; what fails is told, and the others go on."""
    from passo.experiments.short import perform

    for task in tasks:
        if not study.has(task.name, task.seed):
            writer = study.add_run(task.name, config=task.settings, seed=task.seed, kind=task.kind)
            with _kept(study, writer):
                draft = perform(task)
            draft.replay(writer)
            if draft.status == "failed":
                words = t("{run} failed: {error}", run=task.run_id, error=told(str(draft.error)))
                err.print(words, markup=False, soft_wrap=True)
        yield task.run_id


@contextmanager
def _kept(study: Store, writer: Any) -> Iterator[None]:
    """Ctrl-C marks the run, and says what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        writer.finish("interrupted", "stopped by the user")
        (done,) = study.read("SELECT count(*) FROM runs WHERE status='done'")[0]
        err.print(
            tn(
                "interrupted: what is done ({n} run) is kept in {folder}; --out {folder} goes on",
                "interrupted: what is done ({n} runs) is kept in {folder}; --out {folder} goes on",
                done,
                folder=study.folder,
            )
        )
        raise


def _tell(folder: Path, summary: RangeSummary, verify: bool) -> None:
    from passo import store
    from passo.analysis import range_check, rules_agree
    from passo.analysis.ranges import typed

    out.print(str(summary.table()), markup=False, soft_wrap=True)
    chosen = next(found for found in summary.suggestions if found.rule == summary.rule)
    suggested = {"rate": numeral(typed(summary.suggestion)), "rule": summary.rule}
    if chosen.known:
        interval = {"low": numeral(typed(chosen.low)), "high": numeral(typed(chosen.high))}
        words = t("suggested lr {rate} ({rule}, 95 % interval {low} to {high})", **suggested, **interval)
    else:
        words = t("suggested lr {rate} ({rule})", **suggested)
    out.print(words, soft_wrap=True)
    if agree := rules_agree(summary.suggestions):
        out.print(agree, soft_wrap=True)
    if verify:
        out.print(range_check(store.open_study(folder)).sentence(), soft_wrap=True)


def _draw(folder: Path, summary: RangeSummary, verify: bool, chart: Path | None, about: str) -> None:
    from passo import store
    from passo.analysis import range_check
    from passo.errors import MissingExtra

    try:
        from passo.figures import range_figure

        check = range_check(store.open_study(folder)) if verify else None
        figure = range_figure(summary, check, about)
        _save(figure, folder / "lr-range.png")
        out.print(t("kept in {folder}, with the picture {name}", folder=folder, name="lr-range.png"))
        if chart is not None:
            _save(figure, chart)
            out.print(saved_as(chart))
    except MissingExtra as missing:
        words = t("(for a picture: {missing})", missing=told(str(missing)))
        out.print(f"{t('kept in {folder}', folder=folder)} {words}")


def _save(figure: Figure, path: Path) -> None:
    """The picture with its sentence; an .html file needs nothing from outside."""
    options = {".png": {"scale_factor": 2}, ".html": {"inline": True}}.get(path.suffix, {})
    try:
        figure.chart.properties(description=figure.sentence).save(str(path), **options)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def _sets_lr(words: list[str]) -> bool:
    """Whether the words, or the file before them, give a learning rate.

    >>> _sets_lr(["model=lenet", "optimizer.lr=1"]), _sets_lr(["model=lenet"])
    (True, False)
    """
    filed = read_toml(Path(words[0])) if words and words[0].endswith(".toml") and "=" not in words[0] else {}
    section = filed.get("optimizer")
    return "lr" in filed or (isinstance(section, dict) and "lr" in section) or any(map(LR.match, words))


def _hint(words: list[str], lr: float) -> str:
    """The training to do next, with everything that was said about it.

    >>> _hint(["model=lenet", "lr=1"], 0.00231)
    'passo train model=lenet lr=0.00231'
    """
    kept = [word for word in words if not LR.match(word)]
    return shlex.join(["passo", "train", *kept, f"lr={lr:.3g}"])
