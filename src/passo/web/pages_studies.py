"""Lists: the studies under the root, all of their runs, and one study's runs; what was written about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from passo.analysis.standing import standing
from passo.errors import StoreError
from passo.language import language, later, numeral
from passo.web.answering import Asked, fragment
from passo.web.beside import Said
from passo.web.going_on import going_on
from passo.web.groups import groups
from passo.web.kinds import KINDS, LANDSCAPE, Of, source
from passo.web.listing import Listing, Row
from passo.web.shelf import Entry, versions

Thing = TypeVar("Thing")
ROWS = 100  # of a list that one page shows
DRAWN = 2000  # rows of all lists that are kept as HTML
STATUSES = ("running", "done", "interrupted", "diverged", "failed", later("unreadable"))  # as a filter offers them


class Line(NamedTuple):
    """What the list of studies shows of one; `runs` is -1 and `created` 0 where it cannot be read."""

    name: str
    status: str
    trouble: str
    runs: int
    created: float
    kind: str
    of: Of | None
    said: Said

    @property
    def begun(self) -> str:
        return begun(self.created)

    def has(self, words: Sequence[str]) -> bool:
        """Whether all these words are in its name or in what was written about it."""
        text = " ".join((self.name, *self.said.tags, self.said.note)).lower() if words else ""
        return all(word in text for word in words)


ORDERS: dict[str, Callable[[Line], Any]] = {
    "name": lambda one: one.name,
    "runs": lambda one: one.runs,
    "begun": lambda one: one.created,
    "status": lambda one: one.status,
    "kind": lambda one: one.kind,
}
"""What studies are sorted by."""


def studies(asked: Asked) -> Response:
    """All studies, the newest first unless another order is asked for."""
    said = asked.lab.beside.said()
    lines = [
        Line(
            one.name,
            one.status,
            one.trouble,
            -1 if one.outline is None else len(one.outline.runs),
            one.created,
            one.kind,
            _made_of(one),
            said.get(one.name, Said()),
        )
        for one in asked.lab.shelf.entries()
    ]
    return asked.kept(lines, lambda: _studies(asked, lines))


def _studies(asked: Asked, lines: Sequence[Line]) -> Response:
    status, sought, kind = asked.query("status"), asked.query("q").lower().split(), asked.query("kind")
    found = [one for one in lines if status in ("", one.status) and one.has(sought)]
    surfaces = 0 if kind else sum(one.kind == LANDSCAPE for one in found)
    found = [one for one in found if kind in ("all", one.kind) or (not kind and one.kind != LANDSCAPE)]
    by = asked.query("sort")
    if (key := ORDERS.get(by.lstrip("-"))) is not None:
        found.sort(key=key, reverse=by.startswith("-"))
    rows, pages = _cut(asked, found)
    return asked.page(
        "studies.html.j2",
        rows=rows,
        pages=pages,
        total=len(found),
        statuses=STATUSES,
        kinds=KINDS,
        surfaces=surfaces,
        address=partial(address, asked),
    )


def runs(asked: Asked) -> Response:
    """The runs of all studies in one list."""
    return _listed(asked, "runs.html.j2", asked.lab.shelf.entries(), asked.lab.beside.said())


def study(asked: Asked) -> Response:
    """One study: how it stands, what was written about it, its runs."""
    entry = asked.lab.shelf.entry(asked.place("study"))
    found = entry.outline
    assert found is not None
    planned = found.facts.get("planned")
    try:
        progress = standing(found, planned if isinstance(planned, int) else None).progress()
    except StoreError:  # its metrics are damaged, which the list says
        progress = ""
    said, under_way = asked.lab.beside.said(), asked.lab.shelf.under_way(found.folder.name)
    about, of = said.get(found.folder.name, Said()), _made_of(entry)
    here: dict[str, Any] = {"study": found, "progress": progress, "under_way": under_way, "about": about}
    here |= {"begun": begun(entry.created), "can": going_on(found), "groups": groups(found)}
    here |= {"made_of": of, "source_here": of is not None and asked.lab.shelf.has(of.study)}
    return _listed(asked, "study.html.j2", [entry], said, **here)


def _made_of(entry: Entry) -> Of | None:
    """The run that a loss surface is of."""
    return source(entry.outline) if entry.outline is not None and entry.kind == LANDSCAPE else None


def say(asked: Asked) -> Response:
    """Keep the tags and the note of a study, or of a run of one."""
    name, run = asked.place("study"), asked.request.path_params.get("run")
    asked.lab.shelf.folder(name)
    if run is not None:
        asked.lab.shelf.run(name, run)
    thing = name if run is None else f"{name}/{run}"
    asked.lab.beside.say(thing, asked.form.get("tags", ""), asked.form.get("note", ""))
    return RedirectResponse(asked.request.url.path.removesuffix("/said"), 303)


def begun(created: float) -> str:
    """When a study was begun, in the machine's time."""
    return f"{datetime.fromtimestamp(created):%Y-%m-%d %H:%M}" if created else ""


def duration(seconds: float | None) -> str:
    """A time as people say it.

    >>> duration(4.21), duration(75), duration(7265), duration(None)
    ('4.2 s', '1 min 15 s', '2 h 1 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return numeral(f"{seconds:.1f} s")
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _listed(asked: Asked, template: str, entries: Sequence[Entry], said: Mapping[str, Said], **more: Any) -> Response:
    listing = Listing(entries, said)

    def page() -> Response:
        found = listing.found(asked.query("status"), asked.query("q").lower().split())
        shown, pages = _cut(asked, listing.ordered(found, asked.query("sort")))
        return asked.page(
            template,
            rows=[_row(listing.row(pair), template == "runs.html.j2", language()) for pair in shown],
            pages=pages,
            total=len(found),
            metrics=listing.metrics,
            troubles=[*((one.name, one.trouble) for one in entries if one.outline is None), *listing.damaged.items()],
            statuses=STATUSES,
            address=partial(address, asked),
            **more,
        )

    return asked.kept((versions(entries), listing.metrics, listing.damaged, said, more), page)


@lru_cache(DRAWN)
def _row(row: Row, with_study: bool, spoken: str) -> Any:
    """A run's row as HTML. It hangs on what it shows alone, and stays as it is while others of its list grow."""
    return fragment("row.html.j2", row=row, with_study=with_study, duration=duration(row.seconds))


def _cut(asked: Asked, found: list[Thing]) -> tuple[list[Thing], list[tuple[int, str, bool]]]:
    """The rows of the page that is asked for, and a link for each page: (number, address, whether it is this one)."""
    last = max(1, -(-len(found) // ROWS))
    wanted = asked.query("page", "1")
    number = min(last, max(1, int(wanted) if wanted.isdecimal() and len(wanted) < 9 else 1))
    near = sorted({1, last, *range(max(1, number - 2), min(last, number + 2) + 1)})
    links = [(one, address(asked, page=str(one)), one == number) for one in near] if last > 1 else []
    return found[(number - 1) * ROWS : number * ROWS], links


def address(asked: Asked, **changed: str) -> str:
    """This page's address with some of what it asks for changed."""
    query = {**dict(asked.request.query_params), **changed}
    return f"{asked.request.url.path}?{urlencode({key: value for key, value in query.items() if value})}"
