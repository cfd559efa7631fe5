"""A repository to hand in, made of a study: how to run it, each method explained, a program per training, the PDF.

Everything is made in a folder beside, which takes its place when it is whole.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.errors import FolderInUse, StoreError
from passo.language import speaking, t

if TYPE_CHECKING:
    from passo.notes.content import Byline
    from passo.store import StoredRun, StoredStudy

SCRIPT = '''"""{told}"""

import sys

import passo


def train(seed):
    """Train it from a seed, and keep all that happens in a folder."""
    return passo.train(
{arguments}
    )


if __name__ == "__main__":
    trained = train(int(sys.argv[1]) if len(sys.argv) > 1 else {first})
    for name, value in trained.run.lasts().items():
        print(f"{{name:24}} {{value:.4f}}")
'''
SHOWN = (
    "optimizer",
    "schedule",
    "epochs",
    "batch_size",
)  # settings that a program says even where they are passo's own
IGNORED = "runs/\npasso-runs/\n__pycache__/\n.ipynb_checkpoints/\n"


def hand_in(study: StoredStudy, out: Path, *, lang: str = "en", byline: Byline | None = None) -> list[Path]:
    """Write the repository, and give its files.

    Raises `FolderInUse` where something is in the folder, `StoreError` for a study that has not finished.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FolderInUse(f"{out} is in use: give a folder of its own, or remove what is in it")
    try:
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.resolve().parent))
    except OSError as error:
        raise StoreError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error
    try:
        with speaking(lang):
            _fill(study, made, lang, byline)
        if out.exists():
            out.rmdir()
        made.chmod(0o755)
        made.rename(out)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return sorted(path for path in out.rglob("*") if path.is_file())


def _fill(study: StoredStudy, folder: Path, lang: str, byline: Byline | None) -> None:
    """The note with its figures and its PDF, the scripts, the study's file, and the page that explains all of it."""
    from passo.notes import write

    written = write(study, folder, lang=lang, formats=("html", "pdf"), byline=byline)
    scripts = _scripts(study)
    files = {f"src/{name}.py": text for name, text in scripts.items()}
    files |= {"study.toml": toml(study.config), ".gitignore": IGNORED, "requirements.txt": _requirements()}
    head = written.markdown.read_text(encoding="utf-8").split("\n\n", 2)  # the note's title and subtitle
    title, about = head[0].removeprefix("# "), head[1].strip("*")
    files["README.md"] = _readme(study, (title, about), list(scripts), len(written.figures) // 2, byline)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


# ── Scripts ───────────────────────────────────────────────────────────────────────────────────────────────


def _scripts(study: StoredStudy) -> dict[str, str]:
    """A script for each configuration that was trained, by its file's name without the ending."""
    scripts: dict[str, str] = {}
    for name in study.names():
        stem = _stem(name)
        while stem in scripts:
            stem += "_"
        scripts[stem] = script(stem, name, study.select(name))
    return scripts


def script(stem: str, name: str, runs: tuple[StoredRun, ...]) -> str:
    """A plain program that trains one configuration again, with passo's public functions."""
    first = min(runs, key=lambda run: -1 if run.seed is None else run.seed)
    data, model, settings = settings_of(first.config)
    if len(runs) > 1 and all(run.config.get("dataset", {}).get("seed") == run.seed for run in runs):
        settings.setdefault("dataset", {})["seed"] = _SEED  # each seed drew images of its own
    lines = [_python(data), _python(model), *(f"{key}={_python(value)}" for key, value in settings.items())]
    lines += ["seed=seed", f'out=f"runs/{stem}-s{{seed}}"']
    told = t("The training {name} again: python src/{stem}.py SEED", name=name, stem=stem)
    return SCRIPT.format(
        told=told.replace("\\", "\\\\").replace('"""', "'''"),
        arguments="\n".join(f"        {line}," for line in lines),
        first=first.seed or 0,
    )


_SEED = object()  # stands for the name `seed` in a program


def _python(value: Any) -> str:
    """A setting as Python has it, strings in double quotation marks."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_python, value))}]"
    if value is _SEED:
        return "seed"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def settings_of(config: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The data, the model, and what else was asked of a training, as `passo.train` takes it."""
    from passo.training.config import train_config

    asked = train_config(dict(config)).model_dump(mode="json", exclude_defaults=True)
    asked |= {key: config[key] for key in SHOWN if config.get(key) is not None}
    for key in ("seed", "record", "device", "devices", "num_workers"):
        asked.pop(key, None)
    dataset, model = dict(asked.pop("dataset", {})), dict(asked.pop("model", {}))
    data = str(dataset.pop("name", config["dataset"]["name"]))
    named = str(model.pop("name", config["model"]["name"]))
    more = {key: value for key, value in (("model_options", model), ("dataset", dataset)) if value}
    return data, named, {**more, **asked}


def _stem(name: str) -> str:
    """A configuration's name as the name of a program.

    >>> _stem("nesterov,lr=0.01")
    'nesterov_lr_0_01'
    """
    words = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in name).split()
    return "_".join(words)[:100] or "training"


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────────────


def _readme(study: StoredStudy, head: tuple[str, str], scripts: list[str], figures: int, given: Byline | None) -> str:
    from passo.notes.byline import byline
    from passo.notes.markdown import byline as line
    from passo.notes.unfinished import command, shipped

    trainings, seeds = len(study.select()), sorted({run.seed for run in study.select() if run.seed is not None})
    tree = {
        "note.pdf": t("the note, on paper"),
        "note.html": t("the same as one page, with figures that answer to the pointer; opens without a network"),
        "figures/": t("every figure as PNG and SVG ({n})", n=figures),
        "src/": t("a program for each training ({n})", n=len(scripts)),
        "study.toml": t("the study as a whole, for passo"),
    }
    lines = [f"# {head[0]}", "", line(byline(study, given)), ""]
    lines += [head[1], "", f"## {t('What is here')}", ""]
    lines += [f"- `{name}`: {told}" for name, told in tree.items()]
    lines += ["", f"## {t('How to run it')}", "", "```", "pip install -r requirements.txt"]
    lines += [f"python src/{scripts[0]}.py {seeds[0] if seeds else 0}".ljust(44) + t("# one training, from one seed")]
    lines += ["passo study run study.toml".ljust(44) + t("# all {n} trainings", n=trainings), "```", ""]
    if shipped(study.name) is not None:  # a study of one's own is the file that lies here
        lines += [t("The runs of this repository were made by {command}.", command=f"`{command(study)}`")]
    lines += [t("The same settings give the same numbers, to the last bit only on the same machine and torch."), ""]
    return "\n".join([*lines, f"## {t('The methods')}", "", *_methods(study), ""])


def _methods(study: StoredStudy) -> list[str]:
    """One explanation for each implementation that the study used."""
    from passo.cli import implementations

    configs = [run.config for run in study.select()]
    lines: list[str] = []
    for name in _used(configs, "optimizer"):
        words, equation = implementations.optimizer(name)
        lines += [f"### `{name}`", "", words, "", *(["$$", equation, "$$", ""] if equation else [])]
    if any("$$" in line for line in lines):
        lines += [t("θ are the weights, g the gradient, η the learning rate; the others are each method's own averages "
                    "and constants, as `passo inspect RUN --figure stages` shows them step by step."), ""]  # fmt: skip
    for name in _used(configs, "schedule"):
        lines += [f"### `{name}`", "", implementations.schedule(name), ""]
    for name in _used(configs, "model"):
        lines += [f"### `{name}`", "", implementations.model(name), ""]
    return lines


def _used(configs: list[dict[str, Any]], section: str) -> list[str]:
    there = [config.get(section) or {} for config in configs]
    return list(dict.fromkeys(str(one["name"]) for one in there if one.get("name")))


def _requirements() -> str:
    def pinned(package: str) -> str:
        try:
            return f"=={version(package).partition('+')[0]}"
        except PackageNotFoundError:
            return ""

    return f"passo[all]{pinned('passo')}\ntorch{pinned('torch')}\n"


def toml(config: Mapping[str, Any]) -> str:
    """A study's configuration as TOML: plain keys first, tables as inline ones.

    >>> print(toml({"name": "a", "seeds": [0, 1], "base": {"optimizer": {"name": "sgd", "lr": 1e-05}}}), end="")
    name = "a"
    seeds = [0, 1]
    base = { optimizer = { name = "sgd", lr = 1e-05 } }
    """
    left = {key: value for key, value in config.items() if key not in ("form", "left_out", "quick")}
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in left.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items() if one is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)  # JSON has no infinity
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _string(key)
