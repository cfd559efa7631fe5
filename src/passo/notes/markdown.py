"""A note as Markdown, ready for GitHub or an editor: equations between dollars, figures as files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from passo.language import speaking, t
from passo.notes.content import Block, Byline, Code, Equation, FigureBlock, Note, Prose, Table, escaped
from passo.notes.terms import told_left_out

_KEPT = re.compile(
    r"(```.*?```|(?<![`\\])(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)|\$\$.*?\$\$"
    r"|(?<![\\$])\$(?=[^\s$])(?:(?!\n\n)[^$])*(?<![\s\\])\$)",
    re.DOTALL,
)

_TAG = re.compile(r"(?<!\\)<(?=[a-zA-Z/!?])(?!https?://)")  # what begins like one


def markdown(note: Note, *, figures: str = "figures") -> str:
    """The whole note; its pictures are `<figures>/<name>.png`."""
    with speaking(note.language):
        return _markdown(note, figures)


def _markdown(note: Note, figures: str) -> str:
    parts = [f"# {plainly(note.title)}", f"*{plainly(note.subtitle)}*", byline(note.byline)]
    if note.notice:
        parts.append(f"> **{t('Note')}.** {plainly(note.notice)}")
    parts += [block_markdown(block, figures) for block in note.lead]
    for section in note.sections:
        parts.append(f"## {plainly(section.title)}")
        parts += [block_markdown(block, figures) for block in section.blocks]
    if note.sources:
        listed = (f'{s.number}. <a id="source-{s.key}"></a>{s.words}' for s in note.sources)
        parts += [f"## {t('Sources')}", "\n".join(listed)]
    parts.append(f"## {t('How this note was made')}")
    parts.append("\n".join(f"- **{label}**: {plainly(words)}" for label, words in note.colophon))
    parts.append(told_left_out(note.left_out))
    return "\n\n".join(part for part in parts if part) + "\n"


def byline(by: Byline) -> str:
    """Authors, course, date and repository in a line; they are plain words, but for a repository that is an address."""
    known = [escaped(told) for told in (", ".join(by.authors), by.course, by.date)]
    is_address = re.fullmatch(r"https?://[^\s<>]+", by.repository)
    return " · ".join(filter(None, [*known, f"<{by.repository}>" if is_address else escaped(by.repository)]))


def plainly(markdown: str) -> str:
    r"""Markdown without HTML: what looks like a tag is printed, as in every other format of the note.

    >>> print(plainly("so <b>bold</b>, `a <b>` and $a<b$"))
    so \<b>bold\</b>, `a <b>` and $a<b$
    """
    return apart(markdown, lambda words: _TAG.sub(r"\<", words))


def apart(markdown: str, change: Callable[[str], str]) -> str:
    """The text with what is outside of code and of mathematics changed."""
    parts, place = [], 0
    for kept in _KEPT.finditer(markdown):
        parts += [change(markdown[place : kept.start()]), kept[0]]
        place = kept.end()
    return "".join([*parts, change(markdown[place:])])


def block_markdown(block: Block, figures: str = "figures") -> str:
    """One block as Markdown."""
    writers: dict[type, Callable[[Any], str]] = {
        Prose: lambda b: plainly(b.markdown),
        Equation: _equation,
        FigureBlock: lambda b: _figure(b, figures),
        Table: _table,
        Code: lambda b: f"```{b.language}\n{b.text}\n```",
    }
    return writers[type(block)](block)


def _equation(block: Equation) -> str:
    place = f'<a id="equation-{block.name}"></a>\n\n' if block.name else ""
    tag = f" \\tag{{{block.number}}}" if block.number else ""
    return f"{place}$$\n{block.latex}{tag}\n$$"


def _figure(block: FigureBlock, folder: str) -> str:
    figure = block.figure
    # Square brackets would end the alt text for some readers, and a line break the image for all.
    alt = escaped(re.sub(r"\s+", " ", figure.sentence).replace("[", "(").replace("]", ")"))
    return (
        f'<a id="figure-{figure.name}"></a>\n\n![{alt}]({folder}/{figure.name}.png)\n\n'
        f"**{t('Figure')} {block.number}.** {plainly(block.caption)}"
    )


def _table(table: Table) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\|", plainly(cell)) for cell in cells) + " |"

    lines = [line(table.columns), line(("---",) * len(table.columns)), *map(line, table.rows)]
    caption = f"*{plainly(table.caption)}*\n\n" if table.caption else ""
    return caption + "\n".join(lines)
