"""Numbers of a page as quiet links to the runs they came from, and the list of those runs at its end."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from passo.analysis.words import joined
from passo.language import t, tn
from passo.notes.content import Group, Note, Origin
from passo.notes.origins import STUDY
from passo.notes.sourced import SIGNS, Marks, sourced

_DIGITS = r"\d(?:[\d.,:]*\d)?(?:\s×\s10)?[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]*"
_NUMBER = re.compile(rf"(?<![\w.#&-])[−+]?{_DIGITS}(?:\s±\s{_DIGITS})?(?:\s%)?(?!\w)")
_TOKEN = re.compile(rf"<math\b.*?</math>|<[^>]*>|{SIGNS}|(?:(?!{SIGNS})[^<])+", re.DOTALL)
_SHORT = 3  # words; a value without digits that has no more is a number that is spelled, or a name
_FEW = 4  # groups that are named one by one


@dataclass
class Links:
    """Where the numbers of a note lead, in the order in which they do so for the first time.

    A run, a configuration or the study has a row of its own; what came from several has an entry that names them.
    """

    note: Note
    marks: Marks = field(default_factory=Marks)
    used: set[int] = field(default_factory=set)
    several: dict[frozenset[str], int] = field(default_factory=dict)

    def signed(self, text: str, origins: Sequence[Origin]) -> str:
        """Markdown with signs around its values, which `numbers` finds again in the HTML."""
        return self.marks.again(text, origins)

    def cell(self, text: str, runs: frozenset[str]) -> str:
        """The HTML of a cell that came from some runs: its numbers are links, its words are not."""
        return self.numbers(self.marks.marked(sourced(text, runs))) if re.search(r"\d", text) else text

    def whole(self, runs: frozenset[str]) -> str:
        """A link to the runs of all that is in a table."""
        anchor, told = self.target(runs)
        return f'<a class="number" href="#{anchor}" title="{html.escape(told, quote=True)}">{t("(its runs)")}</a>'

    def numbers(self, text: str) -> str:
        """HTML without signs, in which numbers that stood between them are links: those of words, not of code.

        The keyboard stops at a link where the one before led elsewhere.
        """
        tokens, parts, begun, within, last = _TOKEN.findall(text), [], [], 0, ""
        for place, token in enumerate(tokens):
            if re.fullmatch(SIGNS, token):
                runs = self.marks.begins(token)
                begun = begun[:-1] if runs is None else [*begun, runs]
                continue
            if token.startswith("<") and not token.startswith("<math"):
                within += 0 if not re.match(r"</?(?:a|code)\b", token) else -1 if token.startswith("</") else 1
            elif begun and not within and self.note.groups:
                whole = token.startswith("<math") or _is_short(token, tokens[place - 1], tokens[place + 1])
                token, last = self._linked(token, re.compile(".+", re.DOTALL) if whole else _NUMBER, begun[-1], last)
            parts.append(token)
        return "".join(parts)

    def _linked(self, text: str, number: re.Pattern[str], runs: frozenset[str], last: str) -> tuple[str, str]:
        """The text with its numbers as links, and where the last of them leads."""
        if not number.search(text):
            return text, last
        anchor, told = self.target(runs)

        def link(found: re.Match[str]) -> str:
            nonlocal last
            stop, last = ' tabindex="-1"' if anchor == last else "", anchor
            return f'<a class="number" href="#{anchor}" title="{html.escape(told, quote=True)}"{stop}>{found[0]}</a>'

        return number.sub(link, text), last

    def target(self, runs: frozenset[str]) -> tuple[str, str]:
        """The anchor that some runs have on the page, and what they are, in words."""
        touched = list(self._touched(runs))
        self.used |= {number for number, _ in touched}
        if not touched:
            return "runs-study", t("From the settings of the study")
        told = t("From {runs}", runs=named([part for _, part in touched]))
        if len(touched) > 1:
            return f"runs-together-{self.several.setdefault(runs - {STUDY}, len(self.several) + 1)}", told
        number, part = touched[0]
        whole = self.note.groups[number]
        one = len(part.ids) == 1 and len(whole.ids) > 1 and whole.configurations == 1
        return (f"run-{part.ids[0]}" if one else f"runs-{number}"), told

    def _touched(self, runs: frozenset[str]) -> Iterator[tuple[int, Group]]:
        """The groups that some runs are in, each with these runs alone."""
        for number, group in enumerate(self.note.groups):
            ids = tuple(one for one in group.ids if one in runs)
            if len(ids) == len(group.ids):
                yield number, group
            elif ids:
                seeds = tuple(seed for seed, one in zip(group.seeds, group.ids, strict=False) if one in runs)
                yield number, Group(group.name, group.kind, seeds, ids, group.configurations)

    # ── The list at the end ──

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A row for the study and each group that a number leads to: anchor, name, seeds, runs (HTML)."""
        shown = f"<code>passo study show {html.escape(self.note.folder)}</code>"
        found = [("runs-study", t("the study: its settings and its data"), "–", shown)]
        for number in sorted(self.used):
            group = self.note.groups[number]
            found.append((f"runs-{number}", _name(group), _listed(group.seeds) or "–", _ids(group)))
        return found

    def together(self) -> list[tuple[str, str]]:
        """Anchor and words (HTML) of what came from runs of several groups."""
        entries = []
        for runs, place in self.several.items():
            parts = list(self._touched(runs))
            shared = _shared([part for _, part in parts])
            links = (
                f'<a href="#runs-{number}">{html.escape(_name(part) if shared else _called(part))}</a>'
                for number, part in parts
            )
            entries.append((f"runs-together-{place}", ", ".join(links) + html.escape(shared)))
        return entries


def named(groups: Sequence[Group]) -> str:
    """Some runs in words; seeds that all of them share are said once.

    >>> named([Group("adam", "train", (0,), ("adam-s0",)), Group("line", "descent", (), ("line",))])
    'adam (seed 0), line'
    >>> named([Group(name, "train", (0, 1), (f"{name}-s0", f"{name}-s1")) for name in ("adam", "sgd")])
    'adam, sgd (seeds 0 and 1)'
    """
    shared = _shared(groups)
    told = [_name(one) if shared else _called(one) for one in groups[:_FEW]]
    more = sum(len(one.ids) for one in groups[_FEW:])
    return ", ".join([*told, tn("{n} more run", "{n} more runs", more)] if more else told) + shared


def _shared(groups: Sequence[Group]) -> str:
    """The seeds of all, in brackets; nothing where they differ."""
    return _seeds(groups[0]) if len({one.seeds for one in groups}) == 1 else ""


def _called(group: Group) -> str:
    return _name(group) + _seeds(group)


def _name(group: Group) -> str:
    if group.configurations == 1:
        return group.name
    return tn("{name}: {n} configuration", "{name}: {n} configurations", group.configurations, name=group.name)


def _seeds(group: Group) -> str:
    if not group.seeds:
        return ""
    return f" ({tn('seed {seeds}', 'seeds {seeds}', len(group.seeds), seeds=_listed(group.seeds))})"


def _listed(seeds: Sequence[int]) -> str:
    return joined([str(seed) for seed in seeds]) if seeds else ""


def _ids(group: Group) -> str:
    """The runs, each with an anchor of its own; how many, where they are of several configurations."""
    if group.configurations > 1:
        return tn("{n} run", "{n} runs", len(group.ids))
    return " ".join(f'<code id="run-{html.escape(one, quote=True)}">{html.escape(one)}</code>' for one in group.ids)


def _is_short(token: str, before: str, after: str) -> bool:
    """Whether a value is a number that is spelled, or a word that the data chose: all of it is a link."""
    alone = re.fullmatch(SIGNS, before) and re.fullmatch(SIGNS, after)
    return alone is not None and not re.search(r"\d", token) and len(token.split()) <= _SHORT
