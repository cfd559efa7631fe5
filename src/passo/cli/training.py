"""`passo train`: one run, kept in a folder of its own."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.show import err, out, percent, progress
from passo.errors import ConfigError
from passo.language import t, tn
from passo.telling import told

if TYPE_CHECKING:
    from passo.diagnosis import Diagnosed
    from passo.training import Evaluation, StepRecord, TrainConfig

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


def train(
    settings: Settings = None,
    out_: Out = None,
    force: Force = False,
    allow_sample: Sample = False,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with this interrupted training.")] = None,
    max_time: Annotated[
        str | None, typer.Option(help="Stop after this time (90s, 30m, 2h), with the state kept.")
    ] = None,
    keep_steps: Annotated[int | None, typer.Option(min=1, help="Keep the state after each so many steps.")] = None,
    keep_seconds: Annotated[float, typer.Option(help="… and after each so many seconds.")] = 60.0,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Share each batch among this many devices (or cores).")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Of the forward pass: float32, bf16 or fp16.")] = None,
    doctor: Annotated[
        bool,
        typer.Option("--doctor/--no-doctor", help="Warn while it trains, as soon as something is certainly wrong."),
    ] = True,
) -> None:
    """Train a model and test it once: passo train dataset=fashion-mnist model=lenet optimizer=adam lr=0.001 epochs=3

    A training that was interrupted goes on, to the same bits, when the command is repeated.
    """
    from passo.diagnosis import live
    from passo.experiments import Attending, Keeping, Result, training, unfinished
    from passo.models.own_file import is_own

    said = {"devices": devices, "precision": precision}
    settings = [*(settings or []), *(f"{key}={value}" for key, value in said.items() if value is not None)]
    keeping = Keeping(keep_steps, keep_seconds, max_time=None if max_time is None else duration(max_time))
    if resume is None:
        config = configuration(settings, allow_sample)
    elif any(not is_own(word.removeprefix("model=")) for word in settings) or out_ is not None or force:
        raise ConfigError("--resume RUN goes on with what that run was: leave out settings and options")
    else:
        out_, config = unfinished(resume)
        if settings and settings != [f"model={config.model.name}"]:  # the one that it may import, said again
            raise ConfigError(
                f"the model of {resume} is {config.model.name}, not {settings[-1].removeprefix('model=')}"
            )
    attending = Attending(live, _tell) if doctor else None
    with (
        training(config, out_, force=force, keeping=keeping, attending=attending) as opened,
        progress("loss", "seen", "speed") as bar,
    ):
        folder, run_id, steps, records, done, notes = opened
        if done:
            words = t("going on after step {step:,} of {folder} (--force starts anew)", step=done, folder=folder)
            err.print(words, soft_wrap=True)
        for note in notes:
            err.print(told(note), soft_wrap=True)
        line = bar.add_task(
            t("epoch {epoch}/{epochs}", epoch=1, epochs=config.epochs),
            loss="",
            seen="",
            speed="",
            total=steps,
            completed=done,
        )
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
                    _update(bar, line, record, config, (record.step - done) / (now - begun))
        except KeyboardInterrupt:
            err.print(
                t(
                    "interrupted: what was recorded is kept in {folder} (run {run}, marked interrupted)",
                    folder=folder,
                    run=run_id,
                )
            )
            err.print(_how_to_go_on(folder), soft_wrap=True)
            raise
    if result is None:
        out.print(t("the time is up ({time}): {how}", time=max_time, how=_how_to_go_on(folder)), soft_wrap=True)
        return
    if result.test is not None:
        out.print(told_test(result.test))
    if result.best is not None:
        out.print(told(result.best))
    made = result.steps - done
    speed = made / result.seconds
    out.print(
        t("{steps:,} steps in {seconds:.1f} s ({speed:,.0f} steps/s)", steps=made, seconds=result.seconds, speed=speed)
    )
    out.print(t("kept in {folder} (run {run})", folder=folder, run=run_id))
    out.print(t("weights SHA-256 {digest}", digest=result.weights_sha256))


def _tell(finding: Diagnosed, step: int, place: str) -> None:
    """A finding of the doctor, above the bar: what it is, the evidence, what it means, and what to try."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    title = t("Warning at step {step:,}: {what}.", step=step, what=t(finding.detector.title))
    cure = t(finding.detector.cure)
    if place or "RUN" not in finding.detector.try_:
        cure += f"\n→ {finding.command(place) or finding.detector.try_}"
    below = "\n".join((finding.evidence, t(finding.detector.meaning), cure))
    err.print(Group(Text(title, style="bold yellow"), Padding(Text(below), (0, 0, 0, 3))))


def told_test(test: Evaluation) -> str:
    """The test in a line: the loss, and every metric that the task has.

    >>> from passo.training import Evaluation
    >>> told_test(Evaluation(0.25, None, 80, metrics={"mse": 0.25, "r2": 0.9}))
    'test loss 0.2500, mse 0.25, r2 0.9 (80 samples)'
    """
    from passo.analysis.words import significant

    parts = [t("test loss {loss:.4f}", loss=test.loss)]
    if test.accuracy is not None:
        parts.append(t("test accuracy {share}", share=percent(test.accuracy)))
    parts += [f"{name} {significant(value, 4)}" for name, value in test.metrics.items()]
    count = (
        tn("{n:,} sample", "{n:,} samples", test.count)
        if test.metrics
        else tn("{n:,} image", "{n:,} images", test.count)
    )
    return f"{', '.join(parts)} ({count})"


def _how_to_go_on(folder: Path) -> str:
    from passo.store import open_study

    kept = open_study(folder).checkpoints()
    if not kept:
        return t("its state was not kept (it had hardly begun): repeated, it begins anew")
    last = max(step for _, step in kept)
    return t(
        "repeat the command to go on after step {step:,} (or passo train --resume {folder})", step=last, folder=folder
    )


def duration(text: str) -> float:
    """Seconds of 90s, 30m, 2h, 1h30m or a plain number of seconds.

    >>> duration("1h30m"), duration("45")
    (5400.0, 45.0)
    """
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    seconds = (
        sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    )
    if seconds <= 0:
        raise ConfigError(f"a time is written 90s, 30m, 2h or 1h30m, got {text!r}")
    return seconds


def _update(bar: Any, line: Any, record: StepRecord, config: TrainConfig, speed: float) -> None:
    fields = {
        "loss": t("loss {loss:.3f}", loss=float(record.loss)),
        "speed": t("{speed:,.0f} steps/s", speed=speed),
    }
    if record.end is not None and record.end.validation is not None:
        seen = record.end.validation
        accuracy = "" if seen.accuracy is None else f", {percent(seen.accuracy)}"
        fields["seen"] = t("validation {loss:.3f}{accuracy}", loss=seen.loss, accuracy=accuracy)
    bar.update(
        line,
        completed=record.step,
        description=t("epoch {epoch}/{epochs}", epoch=record.epoch, epochs=config.epochs),
        **fields,
    )


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
