"""An explanation as one page that works offline: a section for each part, with its sentence, figures and table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from passo import __version__
from passo.analysis.classified import percent
from passo.analysis.tables import Table
from passo.language import language, t, tn
from passo.looking.parts import PARTS
from passo.notes import content
from passo.notes.html import page as html_page

if TYPE_CHECKING:
    from passo.looking.explanation import Explanation, Part
    from passo.store import StoredRun


def page(found: Explanation) -> str:
    """The page as HTML."""
    return html_page(as_note(found))


def as_note(found: Explanation) -> content.Note:
    """The explanation as the content of a note: parts that the run cannot give have a section that says why."""
    numbers = iter(range(1, 1 + sum(len(part.figures) for part in found.parts)))
    there = {part.name: part for part in found.parts}
    sections = []
    for name, kind in PARTS.items():
        if name in there:
            sections.append(content.Section(name, t(kind.title), _blocks(there[name], numbers)))
        elif name in found.missing:
            sections.append(
                content.Section(name, t(kind.title), (content.Prose(plain(_sentence(found.missing[name]))),))
            )
    return content.Note(
        title=t("{run}, explained", run=plain(found.run.id)),
        subtitle=plain(_subtitle(found.run)),
        language=language(),
        lead=(),
        sections=tuple(sections),
        colophon=_colophon(found.run),
    )


def _blocks(part: Part, numbers: object) -> tuple[content.Block, ...]:
    """The sentence where no figure says it, the figures, the table."""
    figures = [content.FigureBlock(next(numbers), figure) for figure in part.figures]  # type: ignore[call-overload]
    said = any(part.sentence in figure.sentence for figure in part.figures) or not hasattr(part.data, "sentence")
    prose = [] if said else [content.Prose(plain(part.sentence))]
    return (*prose, *figures, *([_table(part.table)] if part.table and PARTS[part.name].tabled else []))


def _table(table: Table) -> content.Table:
    rows = tuple(tuple(plain(cell) for cell in row) for row in table.rows)
    return content.Table(tuple(map(plain, table.columns)), rows, plain(table.note))


def _subtitle(run: StoredRun) -> str:
    """Its model, its data and how its test went."""
    data = run.info.get("data", {})
    counts, size = data.get("counts", {}), run.info.get("parameters")
    model, rows = run.config["model"]["name"], bool(data.get("columns"))
    told = t("A {model} with {n:,} parameters", model=model, n=size) if size else t("A {model}", model=model)
    if "train" in counts:
        where = {"n": counts["train"], "data": data["name"]}
        told += (
            t(", trained on {n:,} rows of {data}", **where)
            if rows
            else t(", trained on {n:,} images of {data}", **where)
        )
    if run.has("test/accuracy"):
        told += t(
            "; {share} of {tested} are named rightly",
            share=percent(run.last("test/accuracy")),
            tested=_tested(counts.get("test"), rows),
        )
    return f"{told}."


def _tested(count: int | None, rows: bool) -> str:
    """What a run was tested on; how many, where that was kept."""
    if count is None:
        return t("its test rows") if rows else t("its test images")
    if rows:
        return tn("{n:,} test row", "{n:,} test rows", count)
    return tn("{n:,} test image", "{n:,} test images", count)


def _colophon(run: StoredRun) -> tuple[tuple[str, str], ...]:
    data = run.info.get("data", {})
    weights = run.info.get("weights_sha256", "")
    return (
        (t("Run"), t("{run} of {study}", run=f"`{run.id}`", study=f"`{run.folder.name}`")),
        (t("Data"), plain(f"{data.get('name')}: {t(data.get('source', ''))}")),
        (t("Weights, SHA-256"), f"`{weights}`"),
        (t("Software"), f"passo {__version__}"),
    )


def _sentence(reason: str) -> str:
    """A reason as a sentence."""
    return f"{reason[:1].upper()}{reason[1:]}".rstrip(".") + "."


def plain(text: str) -> str:
    """Words as Markdown that means just them: names of classes and runs may hold its marks.

    >>> plain("a_b*")
    'a\\\\_b\\\\*'
    """
    return re.sub(r"([\\`*_\[\]$#<>|~])", r"\\\1", text).replace(" %", "\N{NO-BREAK SPACE}%")
