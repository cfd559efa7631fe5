"""From the text files and a study to a `Note`: Jinja2 puts in the values, then Markdown is cut into blocks.

The text of a study lies in `text/<language>/<study's name>/`, one file per section, in the order of their
names; the file `00-title.md` holds the title, the subtitle (its first paragraph) and the lead. A number is
never typed in these files: it is an expression over the study. A value that is missing is an error, which
names the file; but inside `{% call passage(name, rank) %} … {% endcall %}` what the study lacks (`StoreError`) leaves
the passage out, and the note says so.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.errors import StoreError
from passo.language import resolved, t
from passo.notes import destinations, formulas
from passo.notes.content import (
    Block,
    Byline,
    Code,
    Equation,
    FigureBlock,
    LeftOut,
    Note,
    Passage,
    Prose,
    Section,
    Source,
    Table,
)
from passo.notes.listings import listing
from passo.notes.rendering import line_of, placed, render, sandboxed
from passo.notes.sourced import Marks, following, places, settled
from passo.registry import unknown

if TYPE_CHECKING:
    from passo.figures import Figure

TEXTS = Path(__file__).with_name("text")
_OPEN, _CLOSE = "\x02", "\x03"  # around the index of a placed block, or the name of a figure that is referred to
_CUTS = re.compile(
    rf"^{_OPEN}(?P<placed>\d+){_CLOSE}[ ]*$"
    r"|^```(?P<language>\w*)\n(?P<code>.*?)\n```[ ]*$"
    r"|^\$\$\s*(?P<latex>.*?)\s*\$\$(?:[ ]*\((?P<named>[\w-]+)\))?[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_TAKEN = re.compile("|text|charts|said|sources|colophon|runs?(-.*)?|(figure|equation|source|section)-.*")
_PLACES = ("figure", "table", "listing", "see", "equation", "cite", "passage")


def files(name: str, language: str = "en") -> list[Path]:
    """The text files of a note, in reading order.

    >>> files("optimizers")[0].name
    '00-title.md'
    """
    names = sorted(folder.name for folder in (TEXTS / resolved(language)).iterdir() if folder.is_dir())
    if name not in names:
        raise unknown("note", name, names)
    return sorted((TEXTS / resolved(language) / name).glob("*.md"))


@dataclass
class _Placing:
    """Blocks that the text places, and the numbers that figures, sources and equations get, as they appear."""

    draw: Callable[[str], Figure]
    tables: Mapping[str, Callable[[], Table]]
    sources: Mapping[str, str] = field(default_factory=dict)
    without: Collection[str] = ()
    blocks: list[Block] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    cited: dict[str, int] = field(default_factory=dict)
    equations: dict[str, int] = field(default_factory=dict)  # those that have a name
    counted: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    passages: list[Passage] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def passage(self, name: str, rank: int = 0, *, caller: Callable[[], str]) -> str:
        """The words of a passage; nothing where there is no room for it, or the study lacks what it shows."""
        if name in self.without:
            self.left_out.append(LeftOut(name, ""))
            return ""
        numbers, cited = dict(self.numbers), dict(self.cited)
        try:
            words = caller()
        except StoreError as lacking:
            self.numbers, self.cited = numbers, cited  # what it placed before it failed is not there
            self.left_out.append(LeftOut(name, str(lacking)))
            return ""
        self.passages.append(Passage(name, rank))
        return words

    def cite(self, *keys: str) -> str:
        """The numbers of sources, in brackets: [1, 2], each a link to its place in the list."""
        for key in keys:
            if key not in self.sources:
                raise unknown("source", key, self.sources)
            self.cited.setdefault(key, len(self.cited) + 1)
        links = ", ".join(f"[{self.cited[key]}](#source-{key})" for key in keys)
        return f"\\[{links}\\]"

    def figure(self, name: str, caption: str = "", *, wide: bool = False, rows: bool = False) -> str:
        if name in self.numbers:
            raise ValueError(f"the figure {name!r} is placed twice")
        drawn = self.draw(name)
        self.numbers[name] = len(self.numbers) + 1
        return self._place(FigureBlock(self.numbers[name], drawn, caption, wide, rows))

    def table(self, name: str) -> str:
        if name not in self.tables:
            raise unknown("table", name, self.tables)
        return self._place(self.tables[name]())

    def listing(self, name: str) -> str:
        """A listing that is tested: `notes/examples`."""
        return self._place(Code("python", listing(name), name))

    def see(self, name: str) -> str:
        return f"{_OPEN}see:{name}{_CLOSE}"

    def equation(self, name: str) -> str:
        return f"{_OPEN}equation:{name}{_CLOSE}"

    def _place(self, block: Block) -> str:
        self.blocks.append(block)
        return f"\n\n{_OPEN}{len(self.blocks) - 1}{_CLOSE}\n\n"

    def resolve(self, text: str, name: str, source: str) -> str:
        """Turn references to figures and equations into links, now that all of them have numbers.

        name, source: the file of this text, and what stands in it.
        """

        def link(match: re.Match[str]) -> str:
            kind, numbers = ("figure", self.numbers) if match[1] == "see" else ("equation", self.equations)
            if match[2] not in numbers:
                line = line_of(source, *(f"{match[1]}({mark}{match[2]}{mark}" for mark in "\"'"))
                raise placed(_not_placed(kind, match[2], numbers), name, line)
            told = f"{t('Figure')} {numbers[match[2]]}" if kind == "figure" else f"({numbers[match[2]]})"
            return f"[{told}](#{kind}-{match[2]})"

        return re.sub(rf"{_OPEN}(see|equation):([\w-]+){_CLOSE}", link, text)

    def numbered(self, text: str, file: str, source: str) -> str:
        """The text with its displayed equations placed, each with the next number. file, source: as above."""

        def place(match: re.Match[str]) -> str:
            if match["latex"] is None:
                return match[0]
            number, name = next(self.counted), match["named"] or ""
            if name in self.equations:
                twice = StoreError(f"the equation {name!r} is placed twice")
                raise placed(twice, file, line_of(source, f"$$ ({name})", f"$$({name})"))
            self.equations |= {name: number} if name else {}
            return self._place(Equation(match["latex"], number, name))

        return _CUTS.sub(place, text)


def compose(
    sources: list[tuple[str, str]],
    vocabulary: Mapping[str, Any],
    *,
    draw: Callable[[str], Figure],
    tables: Mapping[str, Callable[[], Table]],
    language: str = "en",
    notice: str = "",
    colophon: tuple[tuple[str, str], ...] = (),
    byline: Byline | None = None,
    cited: Mapping[str, str] | None = None,
    keywords: tuple[str, ...] = (),
    without: Collection[str] = (),
) -> Note:
    """Make a note of (file name, text) pairs; the first holds the title, subtitle and lead.

    `cited` is what the text may cite, by key; passages named in `without` are left out, and a section of which
    nothing stays goes with them.

    Raises `StoreError`, with the file's name, where the text asks for a value that is not there; `ConfigError` for an
    equation that does not parse.
    """
    placing = _Placing(draw, tables, cited or {}, without)
    marks = Marks()
    placed = {name: places(getattr(placing, name)) for name in _PLACES}
    rendered = [
        (name, render(name, text, {**vocabulary, **placed}, following(sandboxed(), marks))) for name, text in sources
    ]
    written = dict(sources)
    numbered = [(name, placing.numbered(text, name, written[name])) for name, text in rendered]
    parts = [_section(name, placing.resolve(text, name, written[name]), placing) for name, text in numbered]
    title, *sections = parts
    subtitle, *lead = title.blocks or (None,)
    if not isinstance(subtitle, Prose):
        raise StoreError(f"section {sources[0][0]} of the note lacks its subtitle: a paragraph below the title")
    subtitle, *rest = subtitle.markdown.split("\n\n", 1)
    first = tuple(Prose(text) for text in rest)
    note = Note(
        title.title,
        subtitle,
        language,
        (*first, *lead),
        tuple(section for section in sections if section.blocks),
        notice,
        colophon,
        byline or Byline(),
        tuple(Source(number, key, t(placing.sources[key])) for key, number in placing.cited.items()),
        keywords,
        tuple(placing.passages),
        tuple(placing.left_out),
    )
    note = settled(note, marks)
    files_of = {anchor(name): name for name, _ in sources}
    formulas.check(note, files_of, written)
    destinations.check(note, files_of, written)
    return note


def _not_placed(kind: str, name: str, there: Collection[str]) -> StoreError:
    """The error for a reference to a figure or an equation that the text does not place, with those that it does."""
    listed = ", ".join(sorted(there))
    if kind == "figure" and there:
        return StoreError(f"the text refers to the figure {name!r}, which it does not place; it places: {listed}")
    if kind == "figure":
        return StoreError(f"the text refers to the figure {name!r}, which it does not place; it places none")
    if there:
        return StoreError(f"the text refers to the equation {name!r}, which it does not place; it names: {listed}")
    return StoreError(f"the text refers to the equation {name!r}, which it does not place; it names none")


def anchor(name: str) -> str:
    """The place of a file's section on a page, which has places of its own.

    >>> anchor("10-results.md"), anchor("90-runs.md"), anchor("05-two words.md")
    ('results', 'section-runs', 'two-words')
    """
    plain = re.sub(r"[^\w-]+", "-", re.sub(r"^\d+-|\.md$", "", name)).strip("-")
    return f"section-{plain}".rstrip("-") if _TAKEN.fullmatch(plain) else plain


def _section(name: str, text: str, placing: _Placing) -> Section:
    heading, _, body = text.strip().partition("\n")
    if not heading.startswith("# "):
        raise StoreError(f"section {name} of the note does not begin with its title, '# …'")
    return Section(anchor(name), heading[2:].strip(), tuple(_cut(body, placing.blocks)))


def _cut(text: str, placed: list[Block]) -> Iterator[Block]:
    """Cut Markdown at placed blocks, listings and displayed equations."""
    end = 0
    for match in _CUTS.finditer(text):
        yield from _prose(text[end : match.start()])
        end = match.end()
        if match["placed"] is not None:
            yield placed[int(match["placed"])]
        else:
            yield Code(match["language"], match["code"])
    yield from _prose(text[end:])


def _prose(text: str) -> Iterator[Prose]:
    if text.strip():
        yield Prose(re.sub(r"\n{3,}", "\n\n", text.strip()))
