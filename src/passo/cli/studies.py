"""`passo study`: many runs as one; what is done already is not done again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from passo.cli.show import err, interruptible, out, percent, progress, saved_as, table
from passo.errors import TrainingError, UsageError
from passo.language import t, tn
from passo.registry import unknown
from passo.telling import told

if TYPE_CHECKING:
    from passo.experiments import Study
    from passo.store import StoredStudy

ROWS = 40  # of a table that are printed

app = typer.Typer(help="Studies: many runs, compared. List them, see what one would run, run it.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="A shipped study, a TOML file of your own, or the folder of a study to go on with.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Lay a setting over the study's own; may be repeated."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the study (default: ./passo-runs/NAME).")]
Force = Annotated[bool, typer.Option("--force", help="Start anew; what is in the folder is moved aside.")]
Yes = Annotated[bool, typer.Option("--yes", help="Run more than 100,000 runs: they are meant.")]
Executor = Literal["auto", "replicas", "processes", "here", "ray"]
Engine = Annotated[
    Executor | None,
    typer.Option(
        help="How: --jobs at a time, one by one here, trainings of a kind as one network, what is quicker, or on Ray "
        "(default: as it was begun, or as the study says, else --jobs at a time)."
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="The study's quick form: fewer seeds and runs, wider intervals.")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="The Ray cluster, for --executor ray (auto: this machine's; default: one begun here)."
    ),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="How many runs at a time (default: as it was begun, or one a core).")
]


@app.command("list")
def list_() -> None:
    """The studies in the package."""
    from passo.experiments import read_study, shipped

    rows = [(name, read_study(name).count, t(read_study(name).description)) for name in shipped()]
    table((t("study"), t("runs"), t("what it shows")), rows, right=(t("runs"),))


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A shipped study, a TOML file of your own, or the folder of a study that was begun.")
    ],
    settings: Settings = None,
    estimate: Annotated[
        bool, typer.Option(help="Take a few steps of a run of each group, for the time it takes.")
    ] = True,
    quick: Quick = False,
    yes: Yes = False,
) -> None:
    """What a study would run: how many runs, in which groups, and about how long they take.

    Of a folder: how many of its runs are done, what became of the others, and the best so far.
    """
    from passo import store

    folder = None if name.endswith(".toml") or _is_shipped(name) else store.place(name)
    if folder is not None:
        from passo.cli.standing import tell_standing

        if settings:
            raise UsageError(f"--set lies over a study's file, and {folder} holds its runs: give the file")
        with store.understood(folder):
            tell_standing(store.outline(folder))
        return
    from passo.cli.planned import plan
    from passo.experiments import study

    chosen = study(name, settings or [], many=yes, quick=quick)
    file = chosen.file
    plan(file, estimate, name)
    told_left_out(chosen)
    if (store.root() / file.name / store.DATABASE).is_file():
        begun = t("begun already: passo study show {folder}", folder=store.root() / file.name)
        out.print(begun, markup=False, soft_wrap=True)


def _is_shipped(name: str) -> bool:
    """Whether a study of the package is called so; `experiments.shipped` takes a second, for torch."""
    from importlib.resources import files

    return Path(name).name == name and (files("passo") / "studies" / f"{name}.toml").is_file()


@app.command()
def run(
    name: Name,
    settings: Settings = None,
    out_: Out = None,
    force: Force = False,
    jobs: Jobs = None,
    executor: Engine = None,
    address: Address = None,
    quick: Quick = False,
    yes: Yes = False,
) -> None:
    """Run a study: everything in it that is not there yet."""
    from passo import store
    from passo.experiments import study

    begun = None if name.endswith(".toml") or _is_shipped(name) else store.place(name)
    chosen = study(begun or name, settings or [], many=yes, quick=quick)
    told_left_out(chosen)
    folder = out_ or begun or store.root() / chosen.name
    perform(chosen, folder, force, jobs, executor, address)
    tell(folder, chosen.file.metric)


@app.command()
def chart(
    name: Annotated[str, typer.Argument(metavar="STUDY", help="A study that was run: its folder, or its name.")],
    metric: Annotated[
        str, typer.Option(help="What to draw: validation/loss, validation/accuracy, …")
    ] = "validation/loss",
    figure: Annotated[
        str | None, typer.Option(help="Instead of a metric: a figure of this study by its name, or all.")
    ] = None,
    out_: Annotated[
        Path | None,
        typer.Option("--out", help="A .png, .svg or .html file, or for all a folder (default: in the study)."),
    ] = None,
) -> None:
    """Draw a metric of all configurations over epochs, with bands over seeds; or a figure that its study has.

    Figures of a study of two models: sizes, robustness, flips, imbalance, exploration, confusion-pair, gradcam, …
    """
    from passo import store

    study = store.find(name)
    if figure is None:
        _draw_metric(study, metric, out_)
    elif figure == "all":
        _draw_all(study, out_ if out_ is not None else study.folder / "figures")
    else:
        from passo.figures import draw
        from passo.figures.page import save_figure

        drawn = draw(figure, study)
        saved = save_figure(drawn, out_ if out_ is not None else study.folder / f"{figure}.png")
        out.print(f"{drawn.sentence}\n{saved_as(saved)}", markup=False, soft_wrap=True)


def _draw_metric(study: StoredStudy, metric: str, path: Path | None) -> None:
    from passo.errors import StoreError
    from passo.figures import curves_chart

    known = study.metrics()
    if metric not in known:
        raise unknown("metric", metric, known)
    path = path if path is not None else study.folder / f"{metric.replace('/', '-')}.png"
    try:
        curves_chart(study, metric).save(str(path), **({"scale_factor": 2} if path.suffix == ".png" else {}))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    out.print(saved_as(path))


def _draw_all(study: StoredStudy, folder: Path) -> None:
    """Every figure that the study has what it takes for, as PNG and SVG; of the others, what they lack."""
    from passo.errors import StoreError
    from passo.figures import FIGURES, PAIR_FIGURES, draw

    for name in PAIR_FIGURES if study.facts.get("pair") else FIGURES:
        try:
            drawn = draw(name, study)
        except (StoreError, UsageError) as why:
            err.print(f"{name}: {told(str(why))}", markup=False, soft_wrap=True)
            continue
        drawn.save(folder)
        out.print(f"[bold]{name}[/]: ", end="")
        out.print(drawn.sentence, markup=False, soft_wrap=True)
    out.print(t("saved in {folder}", folder=folder), markup=False, soft_wrap=True)


@app.command()
def weights(
    name: Annotated[str, typer.Argument(metavar="STUDY", help="A study that was run: its folder, or its name.")],
    layer: Annotated[str | None, typer.Option(help="One layer, such as fc1.weight (default: all together).")] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="A .png, .svg or .html file (default: in the study).")
    ] = None,
) -> None:
    """See what became of the weights: how large they are, and how many nearly 0, beside the test's result."""
    from passo import store
    from passo.analysis.weights import configured, study_table
    from passo.figures import study_weights
    from passo.figures.page import save_figure

    study = store.find(name)
    figure = study_weights(study, layer=layer)
    saved = save_figure(figure, out_ if out_ is not None else study.folder / "weights.png")
    found = [configured(study, each, layer) for each in study.names()]
    out.print(str(study_table(study, found)), markup=False, soft_wrap=True)
    out.print(saved_as(saved), markup=False)


def told_left_out(chosen: Study) -> None:
    """Say what of a study cannot be had with these data or models, each reason once."""
    reasons: dict[str, list[str]] = {}
    for run, why in chosen.file.left_out.items():
        reasons.setdefault(why, []).append(run)
    for why, runs in reasons.items():
        words = t("left out: {runs}: {why}", runs=", ".join(runs), why=told(why))
        err.print(words, markup=False, soft_wrap=True)


def perform(
    chosen: Study,
    folder: Path,
    force: bool,
    jobs: int | None,
    executor: Executor | None = None,
    address: str | None = None,
) -> None:
    """Run a study under a progress bar; failures are told and do not stop the rest."""
    failed, seen, furthest = 0, 0, 0.0
    with interruptible(folder), progress("last") as bar:
        line = bar.add_task(chosen.name, total=chosen.file.count, last="")
        for step in chosen.running(folder, force=force, jobs=jobs, executor=executor, address=address):
            seen += 1
            if step.status == "chosen":
                err.print(told(step.told), markup=False)
                continue
            furthest = max(furthest, step.done)  # of networks side by side, one is written while others go on
            if step.status == "running":
                bar.update(line, completed=furthest, last=told(step.told))
                continue
            accuracy = step.metrics.get("test/accuracy")
            last = step.task.run_id + ("" if accuracy is None else f" {percent(accuracy)}")
            bar.update(line, completed=furthest, last=last)
            if step.status == "failed":
                failed += 1
                err.print(t("{run} failed: {error}", run=step.task.run_id, error=told(str(step.error))), markup=False)
            elif step.status == "diverged":
                err.print(t("{run} diverged: {error}", run=step.task.run_id, error=told(str(step.error))), markup=False)

    if not seen:
        err.print(t("every run of {study} is there already: nothing was run", study=chosen.name), markup=False)
    if failed:
        raise TrainingError(f"{failed} of {chosen.file.count} runs failed; the same command tries those again")


def tell(folder: Path, metric: str) -> None:
    """The comparison of a study's runs, and where it is kept."""
    from passo import store
    from passo.analysis import compare
    from passo.analysis.varied import listed
    from passo.cli.standing import tell_standing

    there = store.open_study(folder)
    if there.facts.get("pair"):
        _tell_pair(there)
    elif len(there.names()) > ROWS:
        tell_standing(there)
    elif any(run.has(metric) for run in there.select()):
        comparison = compare(there, metric)
        out.print(str(comparison.table()), markup=False, soft_wrap=True)
    if lost := [run.id for run in there.runs if run.status == "diverged"]:
        named = listed(lost)
        words = t("diverged, and so not compared: {runs} (see `passo runs show {folder}`)", runs=named, folder=folder)
        out.print(words, markup=False)
    for found in there.facts.get("lost") or []:
        first, more = found["runs"][0], len(found["runs"]) - 1
        runs = tn("{run} and {n} more", "{run} and {n} more", more, run=first) if more else first
        lost = t("a worker that trained {runs} was lost: {how}", runs=runs, how=told(found["how"]))
        out.print(lost, markup=False, soft_wrap=True)
    for found in there.facts.get("search") or []:
        out.print(searched(found), markup=False, soft_wrap=True)
    if there.facts.get("former"):
        named = listed(there.facts["former"])
        words = t("no longer part of the study, but still in its folder: {runs}", runs=named)
        out.print(words, markup=False, soft_wrap=True)
    out.print(t("kept in {folder}", folder=folder))


def _tell_pair(there: StoredStudy) -> None:
    """In what the two models of a study differ: its runs are on other data each, so that no table ranks them all."""
    from passo.analysis.differences import differences
    from passo.errors import StoreError
    from passo.figures import PAIR_FIGURES

    try:
        found = differences(there)
    except StoreError as why:
        out.print(told(str(why)), markup=False, soft_wrap=True)
        return
    out.print(found.sentence(), markup=False, soft_wrap=True)
    for sentence in found.sentences():
        out.print(f"  {sentence}", markup=False, soft_wrap=True)
    out.print(found.undecided(), markup=False, soft_wrap=True)
    if there.facts.get("quick"):
        out.print(t("The quick form: {n} seeds, so that intervals are wide.", n=found.seeds[1]), markup=False)
    next_steps = t(
        "every number: passo study chart {folder} --figure differences ({figures}, or all)\n"
        "a report: passo note {folder} --format pdf --pages 2",
        folder=there.folder,
        figures=", ".join(PAIR_FIGURES),
    )
    out.print(next_steps, markup=False, soft_wrap=True)


def searched(found: dict[str, Any]) -> str:
    """What a search came to, in a sentence or two."""
    begun = t("search from {place}", place=found["from"]) if found["from"] else t("search")
    why = told(found["why"])
    if found["best"] is None:
        return f"{begun}: {why}"
    best = {"search": begun, "metric": found["metric"], "value": found["value"], "run": found["best"], "why": why}
    words = t("{search}: best {metric} {value:.4g} by {run}; it ended, since {why}", **best)
    if not (edges := ", ".join(found["edges"])):
        return words
    return words + t("; {keys} is best at an end of its range: widen it", keys=edges)
