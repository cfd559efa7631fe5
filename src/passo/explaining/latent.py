"""An autoencoder's codes: where its bottleneck puts each input, and what comes back out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.explaining.layers import array
from passo.models import Autoencoder
from passo.training.evaluate import evaluating

BATCH = 500


@dataclass(frozen=True)
class LatentCodes:
    """codes: (N, bottleneck). errors: (N,), the mean squared error of each input, in the units that the model reads.

    labels: (N,) class numbers, which the model never saw; `classes` names them. `name` tells this model from others.
    """

    name: str
    codes: np.ndarray
    errors: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    @property
    def bottleneck(self) -> int:
        return self.codes.shape[1]


def latent_codes(
    model: nn.Module, inputs: Tensor, labels: Tensor, classes: tuple[str, ...], *, name: str = "autoencoder"
) -> LatentCodes:
    """Codes and errors of inputs (N, …), in evaluation mode; raises `UsageError` for a model without a bottleneck.

    >>> from passo.models import build
    >>> codes = latent_codes(build("autoencoder", bottleneck=2, seed=0), torch.rand(5, 1, 28, 28),
    ...                      torch.arange(5), tuple("abcde"))
    >>> codes.codes.shape, codes.bottleneck
    ((5, 2), 2)
    """
    if not isinstance(model, Autoencoder):
        raise UsageError(f"{type(model).__name__} has no bottleneck: latent codes are of the model autoencoder")
    if len(inputs) != len(labels) or not len(inputs):
        raise UsageError(f"codes need one label for each input, got {len(inputs)} inputs and {len(labels)} labels")
    codes, errors = [], []
    with evaluating(model):
        for x in inputs.split(BATCH):
            code = model.encoder(x)
            codes.append(code)
            errors.append((model.decoder(code) - x).square().flatten(1).mean(1))
    return LatentCodes(name, array(torch.cat(codes)), array(torch.cat(errors)), array(labels), classes)
