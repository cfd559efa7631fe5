"""What `passo ui` asks of its worker about the steps of one racer."""

from __future__ import annotations

from typing import Any

RACERS, STEPS = 1, 2000  # the most that a page may ask for


def race_steps(
    surface: str,
    optimizer: str,
    schedule: str | None,
    start: list[float] | None,
    steps: int,
    noise: float,
    seed: int,
) -> dict[str, Any]:
    """One racer's way with all that its optimizer held at each step."""
    from passo.errors import UsageError
    from passo.experiments.watched import as_json, watched_descent

    if not 1 <= steps <= STEPS:
        raise UsageError(f"a page races at most {RACERS} optimizers over at most {STEPS} steps")
    at = None if start is None else (start[0], start[1])
    run = watched_descent(surface, optimizer, schedule, start=at, steps=steps, noise=noise, seed=seed)
    return dict(as_json(run))
