"""Models by name, their choices, and passo's own dropout."""

from passo.models.autoencoders import Autoencoder
from passo.models.catalogue import (
    MADE_FOR,
    MODELS,
    ParameterCount,
    build,
    check_model,
    count_parameters,
    model_options,
)
from passo.models.cnn import Dropout2d
from passo.models.dropout import Dropout, dropouts, set_step
from passo.models.gans import Gan
from passo.models.networks import Line
from passo.models.recurrent import Recurrent

__all__ = [
    "MADE_FOR",
    "MODELS",
    "Autoencoder",
    "Dropout",
    "Dropout2d",
    "Gan",
    "Line",
    "ParameterCount",
    "Recurrent",
    "build",
    "check_model",
    "count_parameters",
    "dropouts",
    "model_options",
    "set_step",
]
