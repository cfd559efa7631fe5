"""A note as a story for Medium, or any place that keeps only words and pictures: a folder with an article and figures.

What such a place drops is turned into what it keeps: equations and tables are pictures with alternative texts,
mathematics within a line is Unicode, paths over a surface play as a GIF, links within the note are words.
"""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.errors import ConfigError, require
from passo.language import later, speaking, t
from passo.notes import medium_pictures as pictures
from passo.notes.content import Block, Code, Equation, FigureBlock, Note, Prose, Table
from passo.notes.markdown import byline
from passo.notes.medium_pictures import Picture
from passo.notes.medium_text import linked, rewritten, spoken, unfolded
from passo.notes.terms import told_left_out

if TYPE_CHECKING:
    from passo.notes.medium_races import Playing

TAGS = 5  # that a story may have
LETTERS = 25  # of a tag
_GENERAL = later("Neural Networks"), later("Deep Learning"), later("Machine Learning"), "PyTorch", later("Data Science")
_TEMPLATE = Path(__file__).with_name("page") / "medium.html.j2"
Part = str | Picture  # Markdown, or a picture between


def article(
    note: Note, drawn: Mapping[str, bytes], playing: Callable[[str], Playing | None], base_url: str = ""
) -> dict[str, bytes]:
    """The files of a note's article by their path in its folder, but for the figures, which are `drawn` already.

    drawn: the files of the note's figures by their names; playing: the race behind a figure; base_url: where the folder
    will be on the web, so that addresses of pictures are absolute. Raises `ConfigError` for an address that is none.
    """
    base_url = checked(base_url)
    with speaking(note.language):
        parts, made = _parted(note, playing)
        there = {**made, **{f"figures/{name}": content for name, content in drawn.items()}}
        sizes = {path: pictures.size(content) for path, content in there.items() if not path.endswith(".svg")}
        shown, tagged = [part for part in parts if isinstance(part, Picture)], tags(note)
        texts = {
            "article.html": _html(note, parts, sizes, base_url, tagged),
            "article.md": _markdown(note, parts, base_url),
            "article.toml": _settings(note, shown, tagged, base_url),
        }
    return {**{name: text.encode() for name, text in texts.items()}, **made}


def checked(base_url: str) -> str:
    """An address that ends with a slash, or nothing. Raises `ConfigError` for what is no address of a web page."""
    if base_url and not re.fullmatch(r"(?i:https?)://[^\s\"<>?#()\[\]\\/]+(/[^\s\"<>?#()\[\]\\]*)?", base_url):
        raise ConfigError(f"--base-url {base_url} is no address: give https://… of the folder on the web")
    return f"{base_url.rstrip('/')}/" if base_url else ""


def tags(note: Note) -> tuple[str, ...]:
    """At most five: what the note is about, then what all notes are about."""
    own = [word for word in note.keywords if len(word) <= LETTERS][: TAGS - 3]
    return tuple(dict.fromkeys([*own, *map(t, _GENERAL)]))[:TAGS]


# ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────


def _parted(note: Note, playing: Callable[[str], Playing | None]) -> tuple[list[Part], dict[str, bytes]]:
    """The article's Markdown and pictures in reading order, and the pictures' files; equations are set at once."""
    blocks = [part for one in _all(note) for part in (unfolded(one) if not isinstance(one, str) else [one])]
    placed = [block for block in blocks if isinstance(block, Equation | Table)]
    known, files = {}, {}
    for place, (block, drawn) in enumerate(zip(placed, pictures.pictured(placed), strict=True), start=1):
        of = pictures.of_equation if isinstance(block, Equation) else pictures.of_table
        picture = known[id(block)] = of(block, place)  # type: ignore[arg-type, operator]
        files |= {
            f"figures/{picture.name}.{kind}": content for kind, content in zip(("png", "svg"), drawn, strict=True)
        }
    parts: list[Part] = []
    for block in blocks:
        if isinstance(block, FigureBlock):
            parts.append(pictures.of_figure(block))
            if race := playing(block.figure.name):
                parts.append(_race(block, race, files))
        else:
            parts.append(known[id(block)] if id(block) in known else _words(block))
    return parts, files


def _race(block: FigureBlock, race: Playing, files: dict[str, bytes]) -> Picture:
    """The race behind a figure; its last moment is there as a PNG and an SVG as well."""
    name = f"{block.figure.name}-race"
    png = require("vl_convert", "figures").svg_to_png(race.svg, scale=2)
    files |= {f"figures/{name}.gif": race.gif, f"figures/{name}.png": png, f"figures/{name}.svg": race.svg.encode()}
    caption = t("The paths of figure {n}, step by step.", n=block.number)
    return Picture(name, "race", race.alt, caption, "gif")


def _all(note: Note) -> Iterator[Block | str]:
    """Every block, with what stands around them as Markdown."""
    yield byline(note.byline)
    if note.notice:
        yield f"> **{t('Note')}.** {rewritten(note.notice)}"
    yield from note.lead
    for section in note.sections:
        yield f"## {rewritten(section.title)}"
        yield from section.blocks
    if note.sources:
        yield f"## {t('Sources')}"
        yield "\n".join(f"{s.number}. {linked(rewritten(s.words))}" for s in note.sources)
    yield f"## {t('How this note was made')}"
    yield "\n".join(f"- **{label}**: {rewritten(words)}" for label, words in note.colophon)
    yield rewritten(told_left_out(note.left_out))


def _words(block: Block | str) -> str:
    if isinstance(block, Prose):
        return rewritten(block.markdown)
    if isinstance(block, Code):
        return f"```{block.language}\n{block.text}\n```"
    assert isinstance(block, str)
    return block


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────


def _html(
    note: Note, parts: Sequence[Part], sizes: Mapping[str, tuple[int, int]], base_url: str, tagged: Sequence[str]
) -> str:
    jinja2 = require("jinja2", "notes")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    body = [_figure(part, sizes, base_url) if isinstance(part, Picture) else reader().render(part) for part in parts]
    first = next((part.file for part in parts if isinstance(part, Picture) and part.kind == "figure"), "")
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        language=note.language,
        title=html.escape(spoken(note.title)),
        subtitle=html.escape(spoken(note.subtitle)),
        authors=[html.escape(author) for author in note.byline.authors],
        tags=[html.escape(tag) for tag in tagged],
        base_url=html.escape(base_url),
        first=html.escape(first),
        body="".join(body),
    )


def _figure(picture: Picture, sizes: Mapping[str, tuple[int, int]], base_url: str) -> str:
    """A picture with its words; its width is half of its pixels, as far as there is room."""
    path = f"figures/{picture.file}"
    wide, high = sizes[path]
    shown = min(wide // (1 if picture.kind == "race" else 2), pictures.COLUMN)
    words = html.escape(picture.alt, quote=True)
    caption = f"<figcaption>{reader().renderInline(picture.caption)}</figcaption>" if picture.caption else ""
    place = f'src="{html.escape(base_url + path)}" width="{shown}" height="{round(shown * high / wide)}"'
    return f'<figure><img {place} alt="{words}">{caption}</figure>\n'


def _markdown(note: Note, parts: Sequence[Part], base_url: str) -> str:
    told = [f"# {spoken(note.title)}", f"*{spoken(note.subtitle)}*"]
    for part in parts:
        if isinstance(part, Picture):
            alt = re.sub(r"([\\\[\]`*_<>$])", r"\\\1", part.alt)
            told.append(f"![{alt}]({base_url}figures/{part.file})")
            told.append(part.caption)
        else:
            told.append(part)
    return "\n\n".join(part.strip() for part in told if part.strip()) + "\n"


def _settings(note: Note, shown: Sequence[Picture], tagged: Sequence[str], base_url: str) -> str:
    """What one copies into the fields of an editor: title, subtitle, tags, and the alternative text of each picture."""
    fields = {
        "title": spoken(note.title),
        "subtitle": spoken(note.subtitle),
        "tags": list(tagged),
        "language": note.language,
        "canonical": f"{base_url}article.html" if base_url else "",
    }
    lines = [f"{key} = {_toml(value)}" for key, value in fields.items()]
    return "\n".join([*lines, "", "[alt]", *(f"{_toml(one.file)} = {_toml(one.alt)}" for one in shown), ""])


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@functools.cache
def reader() -> Any:
    """Reads Markdown without mathematics; what is HTML in it is shown as written."""
    made = require("markdown_it", "notes").MarkdownIt("commonmark", {"html": False, "typographer": True})
    return made.enable(["replacements", "smartquotes"])
