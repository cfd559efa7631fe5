"""A recurrent network's states over time: what it reads, what its units hold, and what it would answer at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.ranges import THIS_MODEL
from passo.analysis.words import significant
from passo.figures.panels import heading, stacked, x_axis, y_axis
from passo.figures.pictures import diverging, hex_colours
from passo.figures.style import OTHERS, WIDTH, Figure, altair, colour, data, finished, long
from passo.language import later, t

if TYPE_CHECKING:
    from passo.explaining import States

STEP = later("step of the sequence")
SEQUENCE = later("one sequence")
SERIES, NAMED = 4, 5  # inputs drawn as lines; classes drawn by name


def draw_states(found: States, run: str = THIS_MODEL, sequence: str = SEQUENCE, classes: Sequence[str] = ()) -> Figure:
    """The inputs, the hidden state (a row for each unit) and the probabilities of the classes, over one time axis."""
    run, sequence = t(run), t(sequence)
    units = _ordered(found.hidden)
    hidden = t("hidden state of {layer}", layer=found.layer)
    panels = [_inputs(found.inputs), _heat(found.hidden[:, units], units, hidden)]
    if found.backward is not None:
        units_back = _ordered(found.backward)
        panels.append(_heat(found.backward[:, units_back], units_back, t("hidden state, reading backwards")))
    if found.cell is not None:
        panels.append(_heat(found.cell[:, units], units, t("cell state, in the same order")))
    if found.outputs is not None:
        panels.append(_answers(probabilities(found.outputs), classes))
    chart = stacked(*panels).resolve_scale(color="independent")
    title = finished(chart, t("A recurrent state over time"), f"{run}, {sequence}")
    return Figure("recurrent", title, _caption(found, run, sequence), _told(found, run, sequence, classes))


def _caption(found: States, run: str, sequence: str) -> str:
    told = [
        t(
            "{kind} {layer} of {run} while it reads {sequence}, step by step: what comes in; what each of its {n} "
            "units holds after each step (blue above 0, red below; those that move most stand on top)",
            kind=found.cells,
            layer=found.layer,
            run=run,
            sequence=sequence,
            n=found.hidden.shape[1],
        ),
        t("what its cells hold") if found.cell is not None else "",
        t("what it would answer if the sequence ended there") if found.outputs is not None else "",
    ]
    return "; ".join(clause for clause in told if clause) + "."


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """Softmax over classes: (T, C)."""
    powers = np.exp(outputs.astype(np.float64) - outputs.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _ordered(states: np.ndarray) -> np.ndarray:
    """Units by how far they move over time, the liveliest first."""
    return np.argsort(-np.abs(np.diff(states, axis=0)).sum(0), kind="stable")


def _told(found: States, run: str, sequence: str, classes: Sequence[str]) -> str:
    moves = np.linalg.norm(np.diff(found.hidden, axis=0, prepend=0.0), axis=1)  # (T,), from h₀ = 0
    at = int(moves.argmax())
    told = t(
        "Over {n} steps of {sequence}, the state of {layer} in {run} moves most at step {step} (by {most} of {way} in "
        "all)",
        n=len(moves),
        sequence=sequence,
        layer=found.layer,
        run=run,
        step=at + 1,
        most=significant(float(moves[at])),
        way=significant(float(moves.sum())),
    )
    if found.outputs is None:
        off = significant(float(np.linalg.norm(found.hidden[-1])))
        return t("{told} and ends {off} from where it began.", told=told, off=off)
    shares = probabilities(found.outputs)
    last = int(shares[-1].argmax())
    since = len(shares) - int(np.cumprod((shares.argmax(1) == last)[::-1]).sum()) + 1
    answer = t("it answers {name} ({share:.0f} %)", name=_named(last, classes), share=float(100 * shares[-1, last]))
    if since == 1:
        return t("{told}; {answer}, and would have from the first step on.", told=told, answer=answer)
    return t("{told}; {answer}, and would have from step {step} on.", told=told, answer=answer, step=since)


def _named(place: int, classes: Sequence[str]) -> str:
    return str(classes[place]) if classes else t("class {n}", n=place)


# ── Panels ────────────────────────────────────────────────────────────────────────────────────────────────


def _inputs(inputs: np.ndarray) -> Any:
    """A few features as lines; many, the rows of an image, as grey cells with time from left to right."""
    features = inputs.shape[1]
    if features > SERIES:
        titles = t("what it reads"), t("feature"), t("{n} features", n=features)
        return _grid(inputs, [str(feature) for feature in range(features)], *titles, shades=True)
    names = ("x", "y") if features == 2 else tuple(t("feature {n}", n=f) for f in range(features))
    return _lines({name: inputs[:, place] for place, name in enumerate(names)}, t("input"), t("what it reads"), 90)


def _heat(states: np.ndarray, units: np.ndarray, title: str) -> Any:
    return _grid(states, [str(unit) for unit in units], title, t("unit"), t("{n} units", n=len(units)))


def _grid(values: np.ndarray, names: Sequence[str], title: str, one: str, all_: str, shades: bool = False) -> Any:
    """Values (T, K) as cells: time from left to right, the first of K on top; grey for inputs, colours for states."""
    alt = altair()
    steps, count = values.shape
    most = float(np.abs(values).max())
    if shades:
        low, high = float(values.min()), float(values.max())
        grey = ((values - low) / ((high - low) or 1.0) * 255).round().astype(int)
        fill = [f"#{level:02x}{level:02x}{level:02x}" for level in grey.ravel().tolist()]
    else:
        fill = hex_colours(diverging(values, most))
    rows, times = np.tile(np.arange(count), steps), np.repeat(np.arange(1, steps + 1), count)
    columns = {"t": times - 0.5, "t2": times + 0.5, "row": rows, "row2": rows + 1, "shade": fill}
    columns |= {"step": times, "unit": [names[row] for row in rows], "value": values.ravel()}
    across = alt.Scale(domain=[0.5, steps + 0.5], nice=False)
    down = alt.Scale(domain=[count, 0], nice=False)
    if not shades:
        title = t("{title}, from −{most} (red) to {most} (blue)", title=title, most=significant(most, 2))
    return (
        alt.Chart(data(columns))
        .mark_rect(stroke="#FFFFFF", strokeWidth=0 if count > 32 or shades else 0.5)
        .encode(
            x=alt.X("t:Q", scale=across, axis=alt.Axis(title=None, labels=False, ticks=False, grid=False)),
            x2="t2:Q",
            y=alt.Y("row:Q", scale=down, axis=alt.Axis(title=all_, labels=False, ticks=False, grid=False)),
            y2="row2:Q",
            fill=alt.Fill("shade:N", scale=None),
            tooltip=[
                alt.Tooltip("step:Q", title=t("step")),
                alt.Tooltip("unit:N", title=one),
                alt.Tooltip("value:Q", title=t("value"), format=".3~g"),
            ],
        )
        .properties(width=WIDTH, height=count * max(1, min(14, 220 // count)), title=heading(title))
    )


def _answers(shares: np.ndarray, classes: Sequence[str]) -> Any:
    """The probability of each class that is ever likely, over time."""
    count = shares.shape[1]
    named = np.argsort(-shares.max(0), kind="stable")[:NAMED]
    series = {_named(c, classes): shares[:, c] for c in sorted(named.tolist())}
    title = t("what it would answer if the sequence ended here")
    if count > NAMED:
        title = t("what it would answer if the sequence ended here (the {n} that are ever likeliest)", n=NAMED)
    return _lines(series, t("probability"), title, 120, STEP, domain=[0, 1], nice=False)


def _lines(
    series: dict[str, np.ndarray], y: str, title: str, height: float, x_title: str | None = None, **scale: Any
) -> Any:
    """Series (T,) over the steps, with points where steps are few and a legend of their own."""
    alt = altair()
    steps = len(next(iter(series.values())))
    source = data(long(np.arange(1, steps + 1), series))
    return (
        alt.Chart(source)
        .mark_line(point={"size": 30, "filled": True} if steps <= 40 else False)
        .encode(
            x=x_axis(x_title, whole=True, domain=[0.5, steps + 0.5]),
            y=y_axis(y, ticks=4, **scale),
            color=colour("label", list(series), OTHERS[: len(series)]),
        )
        .properties(width=WIDTH, height=height, title=heading(title))
    )
