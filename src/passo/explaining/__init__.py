"""What a trained model does with one input, number by number; small frozen results with NumPy arrays, for figures."""

from passo.explaining.convolved import ConvolutionAt, convolution_at
from passo.explaining.epochs import Epochs, first_epochs
from passo.explaining.fitted import Fitted, fitted, fitted_line
from passo.explaining.latent import LatentCodes, latent_codes
from passo.explaining.layers import FeatureMaps, Filters, feature_maps, filters
from passo.explaining.scaled import ScaledData, scaled
from passo.explaining.states import States, hidden_states
from passo.explaining.trained import run_config, run_data, trained_model

__all__ = [
    "ConvolutionAt",
    "Epochs",
    "FeatureMaps",
    "Filters",
    "Fitted",
    "LatentCodes",
    "ScaledData",
    "States",
    "convolution_at",
    "feature_maps",
    "filters",
    "first_epochs",
    "fitted",
    "fitted_line",
    "hidden_states",
    "latent_codes",
    "run_config",
    "run_data",
    "scaled",
    "trained_model",
]
