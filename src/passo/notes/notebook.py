"""A note as notebooks: its text between cells that run passo's public API and draw every figure anew.

The note on optimisers makes four, one for each part; any other makes one. They run where they are opened: on a machine
that has passo, in Colab and in Kaggle, where the first cell installs passo and keeps the torch that is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from passo.errors import require
from passo.language import ENGLISH, later, speaking, t
from passo.notes.content import Block, Code, FigureBlock, Note, Section
from passo.notes.listings import parts
from passo.notes.markdown import block_markdown, plainly

_LINK = re.compile(r"\[([^\]]*)\]\(#((?:figure|equation|source)-[\w-]+)\)")
_ADDRESS = r"https?://[\w.-]+(:\d+)?(/[\w.~+@%/-]*)?"
_GITHUB = ("github.com", "www.github.com")


@dataclass(frozen=True)
class Part:
    """A notebook: its file's name, its title, and the sections of the note that it holds."""

    name: str
    title: str
    sections: tuple[str, ...]


OF_OPTIMIZERS = (
    Part("01-ewma-and-adam", later("01 EWMA & Adam"), ("ewma", "adam", "adapted")),
    Part("02-sgd-variants", later("02 SGD variants"), ("sgd",)),
    Part("03-lr-schedulers", later("03 LR schedulers"), ("schedules",)),
    Part("04-putting-it-all-together", later("04 Putting it all together"), ()),
)
"""The parts of the note on optimisers; the last has all sections that no other one has."""


def notebooks(note: Note, study: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Notebooks of a note by their file's name without its ending, not yet executed (nbformat 4).

    study: the shipped study, or the folder, that the cells are about; settings: what lay over the study's own.
    """
    with speaking(note.language):
        return {part.name: _notebook(note, part, sections, study, settings) for part, sections in _parted(note, study)}


def _parted(note: Note, study: str) -> Iterator[tuple[Part, list[Section]]]:
    if study != "optimizers":
        yield Part(study, note.title, ()), list(note.sections)
        return
    taken = {name for part in OF_OPTIMIZERS for name in part.sections}
    for part in OF_OPTIMIZERS:
        yield (
            part,
            [one for one in note.sections if (one.id in part.sections if part.sections else one.id not in taken)],
        )


def _notebook(note: Note, part: Part, sections: Sequence[Section], study: str, settings: Sequence[str]) -> Any:
    new = require("nbformat", "notebooks").v4
    written = [*_cells(sections)]
    cells = [("markdown", _heading(note, part)), *_setting_up(note, study, settings), *written]
    if sources := _sources(note, "\n".join(words for _, words in written)):
        cells.append(("markdown", sources))
    here = {place for _, words in cells for place in re.findall(r'<a id="([\w-]+)"></a>', words)}
    made = new.new_notebook(metadata=_metadata())
    for number, (kind, words) in enumerate(cells):
        make = new.new_code_cell if kind == "code" else new.new_markdown_cell
        made.cells.append(make(words if kind == "code" else _linked(words, here), id=f"{part.name[:2]}-{number:03}"))
    return made


def _metadata() -> dict[str, Any]:
    return {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "jupytext": {"formats": "ipynb,py:percent"},
    }


# ── Cells ─────────────────────────────────────────────────────────────────────────────────────────────────


def _heading(note: Note, part: Part) -> str:
    """Title, what it belongs to, and how it is opened elsewhere."""
    title = t(part.title) if part in OF_OPTIMIZERS else part.title
    about = t("Part of the note *{note}*: {subtitle}", note=note.title, subtitle=note.subtitle)
    parts = [
        f"# {plainly(title)}",
        plainly(about),
        _badges(note.byline.repository, f"notebooks/{note.language}/{part.name}.ipynb"),
    ]
    return "\n\n".join([*parts, f"> {plainly(note.notice)}"] if note.notice else parts)


def _badges(repository: str, path: str) -> str:
    """Links that open the notebook in Colab and Kaggle; where no GitHub address is known, how to do it by hand."""
    if not re.fullmatch(_ADDRESS, repository) or urlsplit(repository).hostname not in _GITHUB:
        return t("In Colab: *File → Upload notebook*. In Kaggle: *Create → Notebook*, then *File → Import notebook*.")
    place = f"{urlsplit(repository).path.strip('/').removesuffix('.git')}/blob/main/{path}"
    colab = f"https://colab.research.google.com/github/{place}"
    kaggle = f"https://kaggle.com/kernels/welcome?src=https://github.com/{place}"
    return (
        f"[![{t('Open in Colab')}](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![{t('Open in Kaggle')}](https://kaggle.com/static/images/open-in-kaggle.svg)]({kaggle})"
    )


def _setting_up(note: Note, study: str, settings: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Install where needed, say where files go, run what is not there yet, and `show`."""
    address = note.byline.repository if re.fullmatch(_ADDRESS, note.byline.repository) else ""
    yield (
        "code",
        _INSTALL.format(
            source=json.dumps(f"passo[notes] @ git+{address}" if address else "passo[notes]"),
            installs=t("Installs passo where it is missing; the torch that is there already is kept."),
        ),
    )
    yield (
        "code",
        _PLACED.format(
            kept=t("Studies and figures are kept here. In Colab, to keep them in Drive:"),
            drive='"/content/drive/MyDrive/passo"',
        ),
    )
    named = json.dumps(study) + (f", {json.dumps(list(settings))}" if settings else "")
    told = t("half a minute; what is there already is not run again")
    yield "code", f"import passo\n\nstudy = passo.study({named}).run()  # {told}"
    spoken = f"\n    with speaking({json.dumps(note.language)}):" if note.language != ENGLISH else ""
    inner = "    " if spoken else ""
    taken = "from passo.language import speaking\n\n\n" if spoken else ""
    yield (
        "code",
        (
            f"{taken}def show(name):{spoken}\n{inner}    figure = passo.draw(name, study)\n"
            f'    figure.save("figures")  # PNG, SVG\n    print(figure.sentence)\n    return figure'
        ),
    )


_INSTALL = """# {installs}
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("passo") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", {source}], check=True)"""
_PLACED = """# {kept}
#   from google.colab import drive; drive.mount("/content/drive"); OUT = Path({drive})
import os
from pathlib import Path

OUT = Path(".")
OUT.mkdir(parents=True, exist_ok=True)
os.chdir(OUT)"""


def _cells(sections: Sequence[Section]) -> Iterator[tuple[str, str]]:
    """Text up to the next thing that runs, then the thing."""
    for section in sections:
        text = [f"## {plainly(section.title)}"]
        for block in section.blocks:
            if isinstance(block, FigureBlock | Code):
                if isinstance(block, FigureBlock):
                    text.append(f'<a id="figure-{block.figure.name}"></a>')
                if text:
                    yield "markdown", "\n\n".join(text)
                text = []
                yield from _running(block)
            else:
                text.append(block_markdown(block))
        if text:
            yield "markdown", "\n\n".join(text)


def _running(block: Block) -> Iterator[tuple[str, str]]:
    """A figure drawn live, with its caption; a listing as the program that it is."""
    if isinstance(block, FigureBlock):
        yield "code", f'show("{block.figure.name}")'
        yield "markdown", f"**{t('Figure')} {block.number}.** {plainly(block.caption)}"
    elif isinstance(block, Code) and block.name:
        yield from (("code", part) for part in parts(block.name) if part)
    elif isinstance(block, Code):
        yield "markdown", block_markdown(block)


def _linked(words: str, here: set[str]) -> str:
    """Links within the note: those whose place is in another notebook become words."""
    return _LINK.sub(lambda link: link[0] if link[2] in here else link[1], words)


def _sources(note: Note, text: str) -> str:
    """The sources that this part cites, by their numbers in the note."""
    cited = set(re.findall(r"\(#source-([\w-]+)\)", text))
    listed = [f'{one.number}. <a id="source-{one.key}"></a>{one.words}' for one in note.sources if one.key in cited]
    return "\n\n".join([f"## {t('Sources')}", "\n".join(listed)]) if listed else ""
