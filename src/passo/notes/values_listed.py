"""The list of what a text of one's own may write: every value with what it is now, every table and every figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passo.errors import PassoError
from passo.figures.style import Figure
from passo.language import t
from passo.notes.general_figures import possible
from passo.notes.subjects import Words, any_figures, any_words
from passo.store import StoredStudy
from passo.telling import told

ABOUT = {
    "result": "result(best)",
    "mean": "mean(best) | fixed(3)",
    "compare": "compare(best, worst)",
    "gap": "gap(best, worst)",
    "verdict": "verdict(best, worst)",
    "setting": 'setting(best, "optimizer.lr")',
    "told": 'told("ranked")',
    "has": 'has("rates")',
    "doctor": "doctor().defects | length",
    "listed": "listed(varied)",
    "code": "code(models)",
}
"""How each function is called; what it gives is computed."""
LONG = 140  # letters of a value that are shown
SEVERAL = 12  # items of a list that are shown


def listing(study: StoredStudy) -> str:
    """Markdown with everything that a text about this study may ask for, as it is now."""
    from passo.notes.rendering import render

    words = any_words(study)
    values = words.vocabulary
    plain = [name for name, value in values.items() if not callable(value)]
    lines = [
        f"# {t('What this note may write')}",
        "",
        t("This file is a list to copy from; it is no part of the note. It tells how things stood when it was made."),
        "",
        f"## {t('Values')}",
        "",
        *(f"- `{{{{ {name} }}}}`: {_shown(values[name])}" for name in sorted(plain)),
        "",
        f"## {t('Values that are asked for')}",
        "",
        t("Configurations and metrics stand in quotation marks: {example}", example='`{{ result("adam") }}`.'),
        "",
        *(f"- `{{{{ {call} }}}}`: {_asked(call, values, render)}" for call in ABOUT.values()),
        "",
        f"{t('Configurations')}: {', '.join(f'`{name}`' for name in values['ranked'])}",
        "",
        f"{t('Metrics')}: {', '.join(f'`{name}`' for name in study.metrics())}",
        "",
        t("A number is written by a filter: {filters}.", filters=_FILTERS),
        "",
        *_tables(words),
        *_figures(study),
    ]
    return "\n".join(lines)


_FILTERS = "`{{ seeds | count }}`, `{{ mean(best) | percent }}`, `{{ mean(best) | fixed(2) }}`, `{{ 0.001 | rate }}`"


def _tables(words: Words) -> list[str]:
    there, lacking = [], []
    for name, make in sorted(words.tables.items()):
        try:
            make()
            there.append(f'- `{{{{ table("{name}") }}}}`')
        except PassoError as why:
            lacking.append(f"- `{name}`: {_brief(told(str(why)))}")
    return [f"## {t('Tables')}", "", *there, "", *_not_here(lacking)]


def _figures(study: StoredStudy) -> list[str]:
    found = possible(study, dict(any_figures(study)))
    there = [
        f'- `{{{{ figure("{name}") }}}}`: {_brief(figure.sentence)}'
        for name, figure in sorted(found.items())
        if isinstance(figure, Figure)
    ]
    lacking = [f"- `{name}`: {_brief(told(why))}" for name, why in sorted(found.items()) if isinstance(why, str)]
    more = t("Each stands on a line of its own; a caption may follow its name, {example}, and `wide=true`.",
             example='`{{ figure("curves", "…", wide=true) }}`')  # fmt: skip
    return [f"## {t('Figures')}", "", more, "", *there, "", *_not_here(lacking)]


def _not_here(lacking: list[str]) -> list[str]:
    return [f"{t('Not in this study')}:", "", *lacking, ""] if lacking else []


def _asked(call: str, values: Mapping[str, Any], render: Any) -> str:
    try:
        return _brief(render(call, f"{{{{ {call} }}}}", values))
    except PassoError as why:
        return _brief(told(str(why)))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        more = ", …" if len(value) > SEVERAL else ""
        return (", ".join(f"`{item}`" for item in value[:SEVERAL]) + more) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"`.{key}`" for key in value)
    return _brief(str(value)) or "–"


def _brief(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= LONG else f"{words[: LONG - 1]}…"
