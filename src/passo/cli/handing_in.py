"""A repository to hand in: how to run it, each method explained, a program per training, the note and its text.

Everything is made in a folder beside, which takes its place when it is whole.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.cli.programs import programs, watched
from passo.cli.study_toml import toml
from passo.errors import FolderInUse, StoreError
from passo.language import speaking, t

if TYPE_CHECKING:
    from passo.notes.content import Byline
    from passo.notes.own import Own
    from passo.store import StoredStudy

IGNORED = "runs/\npasso-runs/\ntext/note/\n__pycache__/\n.ipynb_checkpoints/\n"
WIDE = 44  # of a command before what is said of it


def hand_in(
    study: StoredStudy, out: Path, *, lang: str = "en", byline: Byline | None = None, own: Own | None = None
) -> list[Path]:
    """Write the repository, and give its files; with a text of one's own, its note is that text's.

    Raises `FolderInUse` where something is in the folder, `StoreError` for a study that has not finished.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FolderInUse(f"{out} is in use: give a folder of its own, or remove what is in it")
    try:
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.resolve().parent) as beside:
            made = Path(beside) / "repository"
            with speaking(lang):
                _fill(study, made, lang, byline, own)
            if out.exists():
                out.rmdir()
            made.rename(out)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error
    return sorted(path for path in out.rglob("*") if path.is_file())


def _fill(study: StoredStudy, folder: Path, lang: str, given: Byline | None, own: Own | None) -> None:
    """The note with its figures and its PDF, its text, the programs, the study's file, and the page that explains it.

    The mark of a note's folder is left out: nobody writes another note there.
    """
    from passo.notes import placing, write

    words = own.sections if own else None
    written = write(study, folder, lang=lang, formats=("html", "pdf"), byline=given, own=words)
    (folder / placing.MARK).unlink()
    made = programs(study)
    files = {f"src/{name}.py": text for name, text in made.items()}
    files |= {"study.toml": toml(study.config), ".gitignore": IGNORED, "requirements.txt": _requirements()}
    if own:
        files |= _text(study, own, given)
    head = written.markdown.read_text(encoding="utf-8").split("\n\n", 2)  # the note's title and subtitle
    title, about = head[0].removeprefix("# "), head[1].strip("*")
    files["README.md"] = _readme(study, (title, about), list(made), len(written.figures) // 2, given, bool(own))
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _text(study: StoredStudy, own: Own, given: Byline | None) -> dict[str, str]:
    """The files of a text of one's own; its study is the one that `passo study run study.toml` makes there."""
    from passo.notes.own import SETTINGS, settings_of

    place = f"../passo-runs/{study.name}"
    files = {f"text/{name}": words for name, words in own.sections}
    return {**files, f"text/{SETTINGS}": settings_of(place, own.language, given or own.byline)}


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────────────


def _readme(
    study: StoredStudy, head: tuple[str, str], names: list[str], figures: int, given: Byline | None, own: bool
) -> str:
    from passo.notes.byline import byline
    from passo.notes.markdown import byline as line
    from passo.notes.unfinished import command, shipped

    tree = {
        "note.pdf": t("the note, on paper"),
        "note.html": t("the same as one page, with figures that answer to the pointer; opens without a network"),
        "note.md": t("the same as Markdown"),
        "figures/": t("every figure as PNG and SVG ({n})", n=figures),
        **({"text/": t("the words of the note, by its authors; passo puts numbers and figures in")} if own else {}),
        "src/": t("a program for each training ({n})", n=len(names)),
        "study.toml": t("the study as a whole, for passo"),
    }
    lines = [f"# {head[0]}", "", line(byline(study, given)), ""]
    lines += [head[1], "", f"## {t('What is here')}", ""]
    lines += [f"- `{name}`: {told}" for name, told in tree.items()]
    if not own:
        lines += ["", t("The words of the note are passo's, chosen by what the runs gave, and not its authors'.")]
    lines += ["", f"## {t('How to run it')}", "", *_running(study, names, own), ""]
    if shipped(study.name) is not None:  # a study of one's own is the file that lies here
        lines += [t("The runs of this repository were made by {command}.", command=f"`{command(study)}`")]
    lines += [t("The same settings give the same numbers, to the last bit only on the same machine and torch."), ""]
    return "\n".join([*lines, f"## {t('The methods')}", "", *_methods(study), ""])


def _running(study: StoredStudy, names: list[str], own: bool) -> list[str]:
    """The commands that run it, the first of which installs passo."""
    seeds = sorted({run.seed for run in study.select() if run.seed is not None})
    planned = study.facts.get("planned")
    runs = planned if isinstance(planned, int) else len(study.runs)
    commands = {_installing(): t("passo itself, before the rest")}
    commands["pip install -r requirements.txt"] = ""
    commands[f"python src/{names[0]}.py {seeds[0] if seeds else 0}"] = t("one training, from one seed")
    commands["passo study run study.toml"] = t("all {n:,} runs of the study", n=runs)
    if own:
        commands["passo note text"] = t("the note again, from these runs")
    lines = [f"{words.ljust(WIDE)}# {told}" if told else words for words, told in commands.items()]
    told = () if _address() else (t("`PATH-TO-PASSO` is a checkout of passo on your machine."),)
    return ["```", *lines, "```", "", *told]


def _address() -> str:
    """Where passo's own repository is, if its package says so."""
    try:
        known = metadata("passo").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    pairs = (entry.partition(",") for entry in known)
    return next((url.strip() for label, _, url in pairs if label.strip().lower() in ("repository", "source")), "")


def _installing() -> str:
    """The command that installs passo: from its repository where that is known, else from a checkout."""
    address = _address()
    return f"pip install 'passo[all] @ git+{address}'" if address else "pip install -e 'PATH-TO-PASSO[all]'"


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
                    "and constants."), _stages(study), ""]  # fmt: skip
    for name in _used(configs, "schedule"):
        lines += [f"### `{name}`", "", implementations.schedule(name), ""]
    for name in _used(configs, "model"):
        lines += [f"### `{name}`", "", implementations.model(name), ""]
    return lines


def _stages(study: StoredStudy) -> str:
    """How the averages are seen step by step: a program records them where the study did."""
    if found := watched(study):
        stem, seed = found
        return t("After {program}, {command} shows them step by step.",
                 program=f"`python src/{stem}.py {seed}`",
                 command=f"`passo inspect runs/{stem}-s{seed} --figure stages`")  # fmt: skip
    return t("To see them step by step, add {setting} to a program, run it, and give its folder to {command}.",
             setting='`record={"every": 1}`', command="`passo inspect FOLDER --figure stages`")  # fmt: skip


def _used(configs: list[dict[str, Any]], section: str) -> list[str]:
    there = [config.get(section) or {} for config in configs]
    return list(dict.fromkeys(str(one["name"]) for one in there if one.get("name")))


def _requirements() -> str:
    """What pip installs after passo, which it finds there then."""

    def pinned(package: str) -> str:
        try:
            return f"=={version(package).partition('+')[0]}"
        except PackageNotFoundError:
            return ""

    told = t("passo is installed first, as README.md says: {command}", command=_installing())
    return f"# {told}\npasso[all]{pinned('passo')}\ntorch{pinned('torch')}\n"
