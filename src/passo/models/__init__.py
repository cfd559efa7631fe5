"""Models by name, and passo's own dropout."""

from passo.models.catalogue import MODELS, ParameterCount, build, check_model, count_parameters, model_options
from passo.models.dropout import Dropout, dropouts, set_step
from passo.models.networks import Line

__all__ = [
    "MODELS",
    "Dropout",
    "Line",
    "ParameterCount",
    "build",
    "check_model",
    "count_parameters",
    "dropouts",
    "model_options",
    "set_step",
]
