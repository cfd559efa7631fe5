"""A recurrent network's states over time: what it reads, what its units hold, and what it would answer at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.words import significant
from passo.figures.panels import heading, stacked, x_axis, y_axis
from passo.figures.pictures import diverging, hex_colours
from passo.figures.style import OTHERS, WIDTH, Figure, altair, colour, data, finished, long

if TYPE_CHECKING:
    from passo.explaining import States

STEP = "step of the sequence"
SERIES, NAMED = 4, 5  # inputs drawn as lines; classes drawn by name


def draw_states(
    found: States, run: str = "this model", sequence: str = "one sequence", classes: Sequence[str] = ()
) -> Figure:
    """The inputs, the hidden state (a row for each unit) and the probabilities of the classes, over one time axis."""
    units = _ordered(found.hidden)
    panels = [_inputs(found.inputs), _heat(found.hidden[:, units], units, f"hidden state of {found.layer}", "unit")]
    if found.backward is not None:
        units_back = _ordered(found.backward)
        panels.append(_heat(found.backward[:, units_back], units_back, "hidden state, reading backwards", "unit"))
    if found.cell is not None:
        panels.append(_heat(found.cell[:, units], units, "cell state, in the same order", "unit"))
    if found.outputs is not None:
        panels.append(_answers(probabilities(found.outputs), classes))
    title = finished(
        stacked(*panels).resolve_scale(color="independent"), "A recurrent state over time", f"{run}, {sequence}"
    )
    caption = (
        f"{found.cells} {found.layer} of {run} while it reads {sequence}, step by step: what comes in; what each of "
        f"its {found.hidden.shape[1]} units holds after each step (blue above 0, red below; those that move most stand "
        "on top)"
        + ("; what its cells hold" if found.cell is not None else "")
        + ("; what it would answer if the sequence ended there" if found.outputs is not None else "")
        + "."
    )
    return Figure("recurrent", title, caption, _told(found, run, sequence, classes))


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
    told = (
        f"Over {len(moves)} steps of {sequence}, the state of {found.layer} in {run} moves most at step {at + 1} (by "
        f"{significant(float(moves[at]))} of {significant(float(moves.sum()))} in all)"
    )
    if found.outputs is None:
        return f"{told} and ends {significant(float(np.linalg.norm(found.hidden[-1])))} from where it began."
    shares = probabilities(found.outputs)
    last = int(shares[-1].argmax())
    since = len(shares) - int(np.cumprod((shares.argmax(1) == last)[::-1]).sum()) + 1
    name = classes[last] if classes else f"class {last}"
    always = "from the first step on" if since == 1 else f"from step {since} on"
    return f"{told}; it answers {name} ({100 * shares[-1, last]:.0f} %), and would have {always}."


# ── Panels ────────────────────────────────────────────────────────────────────────────────────────────────


def _inputs(inputs: np.ndarray) -> Any:
    """A few features as lines; many, the rows of an image, as grey cells with time from left to right."""
    features = inputs.shape[1]
    if features > SERIES:
        return _grid(inputs, [str(feature) for feature in range(features)], "what it reads", "feature", shades=True)
    names = ("x", "y") if features == 2 else tuple(f"feature {f}" for f in range(features))
    return _lines({name: inputs[:, place] for place, name in enumerate(names)}, "input", "what it reads", 90)


def _heat(states: np.ndarray, units: np.ndarray, title: str, y: str) -> Any:
    return _grid(states, [str(unit) for unit in units], title, y)


def _grid(values: np.ndarray, names: Sequence[str], title: str, y: str, shades: bool = False) -> Any:
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
    ends = "" if shades else f", from −{significant(most, 2)} (red) to {significant(most, 2)} (blue)"
    return (
        alt.Chart(data(columns))
        .mark_rect(stroke="#FFFFFF", strokeWidth=0 if count > 32 or shades else 0.5)
        .encode(
            x=alt.X("t:Q", scale=across, axis=alt.Axis(title=None, labels=False, ticks=False, grid=False)),
            x2="t2:Q",
            y=alt.Y("row:Q", scale=down, axis=alt.Axis(title=f"{count} {y}s", labels=False, ticks=False, grid=False)),
            y2="row2:Q",
            fill=alt.Fill("shade:N", scale=None),
            tooltip=["step:Q", alt.Tooltip("unit:N", title=y), alt.Tooltip("value:Q", format=".3~g")],
        )
        .properties(width=WIDTH, height=count * max(1, min(14, 220 // count)), title=heading(title + ends))
    )


def _answers(shares: np.ndarray, classes: Sequence[str]) -> Any:
    """The probability of each class that is ever likely, over time."""
    count = shares.shape[1]
    named = np.argsort(-shares.max(0), kind="stable")[:NAMED]
    series = {str(classes[c]) if classes else f"class {c}": shares[:, c] for c in sorted(named.tolist())}
    left = "" if count <= NAMED else f" (the {NAMED} that are ever likeliest)"
    title = f"what it would answer if the sequence ended here{left}"
    return _lines(series, "probability", title, 120, STEP, domain=[0, 1], nice=False)


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
