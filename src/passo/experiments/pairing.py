"""Two models of one size: a study's `[pair]`, matched by their trainable parameters, and every run made for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from passo.errors import ConfigError
from passo.experiments.studyparts import Part
from passo.models import own_file
from passo.models.budget import Cost, cost, matched
from passo.models.catalogue import check_model


def _named(model: Any) -> Any:
    """A model as its name alone, or as a table with its name and options."""
    return {"name": model} if isinstance(model, str) else model


Model = Annotated[dict[str, Any], BeforeValidator(_named)]


class Pair(Part):
    """Two models, each with its name and options; `within` is how far apart their parameters may be, as a share.

    The second stays as it is and the first is fitted to it, unless `parameters` says how many both have. `widths` is
    what was found, budget → label → the model with its options; given, it is taken as it is.
    """

    first: Model
    second: Model
    parameters: int | None = Field(default=None, ge=1)
    within: float = Field(default=0.02, gt=0, lt=1)
    widths: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """Both by their labels: their names, told apart where both have the same.

        >>> list(Pair(first="mlp", second="cnn").models), list(Pair(first="cnn", second="cnn").models)
        (['mlp', 'cnn'], ['cnn', 'cnn-2'])
        """
        one, other = (_label(model) for model in (self.first, self.second))
        return {one: self.first, other if other != one else f"{other}-2": self.second}

    def of(self, label: str, parameters: int | None = None) -> dict[str, Any]:
        """One of the models, as it was matched to a budget; before that, as it is in the file."""
        return self.widths.get(_key(parameters or self.parameters), {}).get(label) or self.models[label]

    def check(self) -> None:
        """Raise `ConfigError` for a model that is none, or an option that it has not."""
        for label, model in self.models.items():
            if "name" not in model:
                raise ConfigError(f"pair: {label} needs a name, got {model!r}")
            check_model(model["name"], {key: value for key, value in model.items() if key != "name"})

    def fitted(self, in_shape: Sequence[int], classes: int, parameters: int | None = None) -> Pair:
        """The pair with both models matched, to its own budget or to another. Raises `ConfigError` where none fits."""
        parameters = parameters or self.parameters
        if _key(parameters) in self.widths:
            return self
        costs = self.costs(in_shape, classes, parameters)
        found = {label: {"name": cost.name, **cost.options} for label, cost in zip(self.models, costs, strict=True)}
        return self.model_copy(update={"widths": {**self.widths, _key(parameters): found}})

    def costs(self, in_shape: Sequence[int], classes: int, parameters: int | None = None) -> tuple[Cost, ...]:
        """What both cost when matched."""
        models = [(model["name"], _options(model)) for model in self.models.values()]
        return matched(models, in_shape, classes, parameters=parameters or self.parameters, within=self.within)

    def facts(self, in_shape: Sequence[int], classes: int) -> dict[str, Any]:
        """What a study tells of its pair, as it was matched to its own budget."""
        found = [cost(one["name"], in_shape, classes, **_options(one)) for one in map(self.of, self.models)]
        counts = [one.parameters for one in found]
        return {
            "labels": list(self.models),
            "within": self.within,
            "difference": abs(counts[0] - counts[1]) / max(counts),
            "matched": [one.facts() for one in found],
        }


def _options(model: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key != "name"}


def _key(parameters: int | None) -> str:
    return "own" if parameters is None else str(parameters)


def _label(model: Mapping[str, Any]) -> str:
    """What a model is called in the names of runs: of a file of one's own, the function."""
    return own_file.label(str(model.get("name", "")))
