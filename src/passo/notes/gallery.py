"""The gallery of broken runs as one page: each beside its healthy twin, with what shows it and what the doctor says.

The page has no script and fetches nothing: its pictures are in it, in the colours of the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from passo.analysis.words import spoken
from passo.diagnosis.findings import FOUND
from passo.errors import require
from passo.language import language, t, tn
from passo.notes.exhibits import MEASURES, MISSED, SPARK, SUSPECTED, Exhibit, spark
from passo.notes.html import policy
from passo.notes.inlined import inlined

_PAGE = Path(__file__).with_name("page")


@dataclass(frozen=True)
class Gallery:
    """Exhibits by chapter; the model and the seed that were asked for, data and software, and what makes the page."""

    chapters: Mapping[str, Sequence[Exhibit]]
    model: str
    seed: int
    data: str
    software: str
    command: str

    @property
    def exhibits(self) -> list[Exhibit]:
        return list(chain.from_iterable(self.chapters.values()))

    def sentences(self) -> list[str]:
        """What was found, counted."""
        verdicts = [one.verdict for one in self.exhibits]
        twins = {one.runs.healthy.id: one.of_twin for one in self.exhibits}
        silent = sum(not found.findings for found in twins.values())
        return [
            tn(
                "passo doctor looked at {n} broken run: {found} found, {suspected} suspected, {missed} missed.",
                "passo doctor looked at {n} broken runs: {found} found, {suspected} suspected, {missed} missed.",
                len(verdicts),
                found=verdicts.count(FOUND),
                suspected=verdicts.count(SUSPECTED),
                missed=verdicts.count(MISSED),
            ),
            tn(
                "Of {n} healthy twin it is silent about {silent}.",
                "Of {n} healthy twins it is silent about {silent}.",
                len(twins),
                silent=silent,
            ),
        ]


def page(gallery: Gallery) -> str:
    """The whole page as HTML, in the language that is spoken."""
    jinja2 = require("jinja2", "notes")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    css = "".join((_PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "gallery.css"))
    return environment.from_string((_PAGE / "gallery.html.j2").read_text(encoding="utf-8")).render(
        gallery=gallery,
        language=language(),
        policy=policy(),
        css=css,
        t=t,
        coded=coded,
        sentence=sentence,
        inlined=inlined,
        spark=spark,
        wide=SPARK[0],
        high=SPARK[1],
        measures=[spoken(metric) for metric in MEASURES],
    )


def sentence(text: str) -> str:
    """What was noticed as a sentence.

    >>> sentence("gradients were not cleared")
    'Gradients were not cleared.'
    """
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def coded(text: str) -> Any:
    """Words as HTML, with calls as code; a percentage stays in one line.

    >>> str(coded("model.eval() < 5 %"))
    '<code>model.eval()</code> &lt; 5\\xa0%'
    """
    markup = require("markupsafe", "notes")
    told = str(markup.escape(text.replace(" %", "\N{NO-BREAK SPACE}%")))
    return markup.Markup(re.sub(r"[\w.]+\(\)", r"<code>\g<0></code>", told))
