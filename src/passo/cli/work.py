"""The warm process behind `passo ui`: it has torch, and answers one request after the other, in lines of JSON.

A request is {"do": "race", "with": {"surface": "ravine", …}}; its answer {"answer": …}, or {"wrong": "one sentence",
"kind": "UnknownName"}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

from passo.cli import work_epochs, work_estimates, work_inside, work_new, work_steps
from passo.errors import PassoError

RACERS, STEPS = 12, 2000  # the most that a page may ask for


def serve(lines: Iterator[str], write: Callable[[str], object]) -> None:
    """Answer every line, until there are no more."""
    for line in lines:
        write(json.dumps(answered(line)) + "\n")


def answered(line: str) -> dict[str, Any]:
    """The answer to one request; what passo says is wrong with it, in one sentence."""
    try:
        asked = json.loads(line)
        return {"answer": TASKS[asked["do"]](**asked["with"])}
    except PassoError as error:
        return {"wrong": str(error), "kind": type(error).__name__}
    except Exception as error:
        return {"wrong": f"this could not be computed ({type(error).__name__}: {error})", "kind": "PassoError"}


def race(
    surface: str,
    optimizers: list[str],
    schedules: list[str | None],
    start: list[float] | None,
    steps: int,
    noise: float,
    seed: int,
) -> dict[str, Any]:
    """A race over a surface, as `passo.descend` runs it, with all that is drawn of it."""
    from passo.errors import UsageError
    from passo.experiments.race import descend

    if len(optimizers) > RACERS or not 1 <= steps <= STEPS:
        raise UsageError(f"a page races at most {RACERS} optimizers over at most {STEPS} steps")
    at = None if start is None else (start[0], start[1])
    return descend(
        surface, optimizers, start=at, steps=steps, schedules=schedules or None, noise=noise, seed=seed
    ).record(121)


def schedules(specs: list[str], lr: float, epochs: int, steps_per_epoch: int) -> list[dict[str, Any]]:
    """The learning rate of each schedule ("StepLR step_size=3") at each step, as `passo schedule` shows it."""
    import shlex

    from passo.errors import ConfigError
    from passo.optim import preview
    from passo.training import parse_settings

    found = []
    for spec in specs:
        try:
            name, *words = shlex.split(spec)
        except ValueError:
            raise ConfigError(f"{spec!r} cannot be read: a quotation mark is not closed") from None
        seen = preview(name, lr=lr, epochs=epochs, steps_per_epoch=steps_per_epoch, **parse_settings(words))
        change = [0, *(i for i in range(1, len(seen.lr)) if seen.lr[i] != seen.lr[i - 1]), len(seen.lr) - 1]
        kept = change if len(change) <= 2000 else range(0, len(seen.lr), -(-len(seen.lr) // 2000))
        points = [[float(seen.epochs[i]), float(seen.lr[i])] for i in kept]
        low, high = float(seen.lr.min()), float(seen.lr.max())
        found.append(
            {"spec": spec, "points": points, "first": points[0][1], "last": points[-1][1], "least": low, "most": high}
        )
    return found


def offered() -> dict[str, Any]:
    """What a form can offer: surfaces with their ranges and starts, optimizers, schedules."""
    from passo import optim
    from passo.experiments.racers import ground_of
    from passo.models.surfaces import SURFACES

    grounds = {name: ground_of(name) for name in SURFACES}
    return {
        "surfaces": {
            name: {"title": g.title, "x": list(g.x), "y": list(g.y), "start": list(g.start)}
            for name, g in grounds.items()
        },
        "optimizers": ["momentum", "nesterov", *optim.optimizers()],
        "schedules": optim.schedules(),
    }


TASKS: dict[str, Callable[..., Any]] = {
    "race": race,
    "schedules": schedules,
    "offered": offered,
    "epochs": work_epochs.epochs,
    "mini_batch": work_epochs.mini_batch,
    "race_steps": work_steps.race_steps,
    **work_inside.TASKS,
    **work_new.TASKS,
    **work_estimates.TASKS,
}


def main() -> None:
    """Serve the process that started this one; what libraries print goes to its terminal."""
    answers = sys.stdout

    def write(line: str) -> None:
        answers.write(line)
        answers.flush()

    with redirect_stdout(sys.stderr):
        import passo.experiments.race  # noqa: F401  torch, before the first question

        serve(iter(sys.stdin.readline, ""), write)


if __name__ == "__main__":
    main()
