"""`passo train` and `passo lr-range`: one run each, kept in a folder of its own."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.show import err, out, percent, progress
from passo.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from passo.training import StepRecord, TrainConfig

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        help="key=value settings, nested with dots (optimizer=adam lr=0.001 epochs=3 dataset=fashion-mnist); "
        "a TOML file may stand before them.",
        metavar="[FILE.toml] KEY=VALUE…",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the run (default: a new one in ./passo-runs).")]
Force = Annotated[bool, typer.Option("--force", help="Start anew; what is in the folder is moved aside.")]
Sample = Annotated[bool, typer.Option("--allow-sample", help="Take the embedded sample where the full set is missing.")]


def train(settings: Settings = None, out_: Out = None, force: Force = False, allow_sample: Sample = False) -> None:
    """Train a model and test it once: passo train dataset=fashion-mnist model=lenet optimizer=adam lr=0.001 epochs=3"""
    from passo.experiments import Result, training

    config = configuration(settings or [], allow_sample)
    with training(config, out_, force=force) as opened, progress("loss", "seen", "speed") as bar:
        folder, run_id, steps, records = opened
        line = bar.add_task(f"epoch 1/{config.epochs}", loss="", seen="", speed="", total=steps)
        result = None
        shown, begun = 0.0, time.perf_counter()
        try:
            for record in records:
                if isinstance(record, Result):
                    result = record
                    continue
                now = time.perf_counter()
                if record.end is not None or now - shown > 0.2:
                    shown = now
                    _update(bar, line, record, config, record.step / (now - begun))
        except KeyboardInterrupt:
            err.print(f"interrupted: what was recorded is kept in {folder} (run {run_id}, marked interrupted)")
            raise
    assert result is not None
    if result.test is not None:
        accuracy = "" if result.test.accuracy is None else f", test accuracy {percent(result.test.accuracy)}"
        out.print(f"test loss {result.test.loss:.4f}{accuracy} ({result.test.count:,} images)")
    out.print(f"{result.steps:,} steps in {result.seconds:.1f} s ({result.steps / result.seconds:,.0f} steps/s)")
    out.print(f"kept in {folder} (run {run_id})")
    out.print(f"weights SHA-256 {result.weights_sha256}")


def _update(bar: Any, line: Any, record: StepRecord, config: TrainConfig, speed: float) -> None:
    fields = {"loss": f"loss {float(record.loss):.3f}", "speed": f"{speed:,.0f} steps/s"}
    if record.end is not None and record.end.validation is not None:
        seen = record.end.validation
        fields["seen"] = f"validation {seen.loss:.3f}, {percent(seen.accuracy)}"
    bar.update(line, completed=record.step, description=f"epoch {record.epoch}/{config.epochs}", **fields)


def lr_range(
    settings: Settings = None,
    lr_min: Annotated[float, typer.Option(help="The first learning rate.")] = 1e-6,
    lr_max: Annotated[float, typer.Option(help="The last learning rate.")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many mini-batches.")] = 100,
    out_: Out = None,
    force: Force = False,
    allow_sample: Sample = False,
) -> None:
    """Raise the learning rate step by step and suggest one: passo lr-range model=lenet optimizer=adam"""
    from passo import store
    from passo.experiments.ranges import check_limits
    from passo.experiments.run import assemble, load_data
    from passo.experiments.sweep import Task, perform
    from passo.training import keep_memory

    config = configuration(settings or [], allow_sample)
    check_limits(lr_min, lr_max, steps)
    keep_memory()
    assemble(config, load_data(config))  # a mistake shows before a folder is made
    name = f"range-{config.optimizer.name}"
    chosen = {"training": config.model_dump(mode="json"), "lr_min": lr_min, "lr_max": lr_max, "steps": steps}
    folder = out_ if out_ is not None else store.fresh(name)
    with store.Store.create(folder, name=name, config=chosen, force=force) as study:
        writer = study.add_run(name, config=chosen, seed=config.seed, kind="lr_range")
        draft = perform(Task("lr_range", name, config.seed, chosen))
        draft.replay(writer)
    if draft.status != "done":
        raise TrainingError(draft.error or "the range test failed")
    _tell_range(folder, writer.id, draft.facts["suggestion"])


def _tell_range(folder: Path, run_id: str, suggestion: float) -> None:
    from passo import store
    from passo.errors import MissingExtra

    out.print(f"suggested lr {suggestion:.3g} (where the smoothed loss falls most steeply)")
    try:
        from passo.figures import range_chart

        run = store.open_study(folder).run(run_id)
        chart = range_chart(run.array("lr"), run.array("loss"), run.array("smoothed"), suggestion)
        chart.save(str(folder / "lr-range.png"), scale_factor=2)
        out.print(f"kept in {folder}, with the picture lr-range.png")
    except MissingExtra as missing:
        out.print(f"kept in {folder} (for a picture: {missing})")


def configuration(words: list[str], allow_sample: bool = False) -> TrainConfig:
    """A training's configuration from the words of a command line; a TOML file may come first."""
    from passo.training import parse_settings, train_config
    from passo.training.config import merge

    settings: dict[str, Any] = {}
    if words and words[0].endswith(".toml") and "=" not in words[0]:
        settings, words = read_toml(Path(words[0])), words[1:]
    if allow_sample:
        words = [*words, "dataset.allow_sample=true"]
    for key, value in parse_settings(words).items():
        if _another(settings.get(key), value):
            settings[key] = value  # another name begins a new section: the old one's options are not its own
        elif isinstance(value, dict) and key in settings:
            for inner, deeper in value.items():
                merge(settings, [key, inner], deeper)
        else:
            merge(settings, [key], value)
    return train_config(settings)


def _another(old: Any, new: Any) -> bool:
    names = [section.get("name") if isinstance(section, dict) else section for section in (old, new)]
    return all(isinstance(name, str) for name in names) and names[0] != names[1]


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
