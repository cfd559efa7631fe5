"""`passo train`: one run, kept in a folder of its own."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.show import err, out, percent, progress
from passo.errors import ConfigError

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
