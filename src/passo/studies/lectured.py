"""A lecture's claims, and the studies that try them: shipped ones, with what is laid over their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from passo.language import later
from passo.registry import unknown

FOLDER = "claims"
"""The folder of the trials below that of all studies: a study of your own with the same name stays what it is."""
SEEDS = "seeds=10"


@dataclass(frozen=True)
class Trial:
    """A shipped study with `settings` laid over it, in the folder `name`; "here" where its seconds are compared."""

    name: str
    study: str
    settings: tuple[str, ...]
    executor: Literal["auto", "here"] = "auto"

    def command(self, laid: Sequence[str] = ()) -> str:
        """What runs it alone, with `laid` over its own settings.

        >>> Trial("l2", "penalties", ("seeds=10",)).command()
        'passo study run penalties --set seeds=10 --executor auto --out passo-runs/claims/l2'
        """
        words = "".join(f" --set {quote(word)}" for word in (*self.settings, *laid))
        return f"passo study run {self.study}{words} --executor {self.executor} --out passo-runs/{FOLDER}/{self.name}"


@dataclass(frozen=True)
class Claim:
    """What a lecture says, and the trials of it."""

    name: str
    words: str
    trials: tuple[Trial, ...]


RATES = "grid.optimizer.lr=[0.003,0.01,0.03,0.1,0.3,1.0]"
MODELS = ("mlp", "tiny-cnn", "lenet")

CLAIMS = (
    Claim(
        "batches",
        later("Small batches are noisier but faster"),
        (
            Trial("gradient-noise", "gradient-noise", (SEEDS,)),
            Trial("batch-size", "batch-size", ("model=mlp", SEEDS, RATES), "here"),
        ),
    ),
    Claim(
        "adam",
        later("When in doubt, Adam"),
        tuple(Trial(f"learning-rate-{model}", "learning-rate", (f"model={model}", SEEDS)) for model in MODELS),
    ),
    Claim(
        "l2",
        later("L2 shrinks the weights and helps generalisation"),
        (Trial("penalties", "penalties", (SEEDS,)),),
    ),
)


def claims(names: tuple[str, ...] = ()) -> tuple[Claim, ...]:
    """The claims of these names, all where none are given; raises `UnknownName` for one that there is not.

    >>> [claim.name for claim in claims()]
    ['batches', 'adam', 'l2']
    """
    known = [claim.name for claim in CLAIMS]
    for name in names:
        if name not in known:
            raise unknown("claim", name, known)
    return tuple(claim for claim in CLAIMS if not names or claim.name in names)
