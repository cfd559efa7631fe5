"""What a trained model does with one input, number by number; small frozen results with NumPy arrays, for figures."""

from passo.explaining.attributed import Attribution, attributed, chosen_places
from passo.explaining.attribution import HeatMaps, attribution, convolutions
from passo.explaining.convolved import ConvolutionAt, convolution_at
from passo.explaining.embedding import Embedding, embedding
from passo.explaining.epochs import Epochs, Order, first_epochs
from passo.explaining.fitted import Fitted, fitted, fitted_line
from passo.explaining.latent import LatentCodes, latent_codes
from passo.explaining.layers import FeatureMaps, Filters, feature_maps, filters
from passo.explaining.mapped import Mapped, mapped
from passo.explaining.scaled import ScaledData, scaled
from passo.explaining.states import States, hidden_states
from passo.explaining.trained import run_config, run_data, trained_model
from passo.explaining.trust import Trust, trust

__all__ = [
    "Attribution",
    "ConvolutionAt",
    "Embedding",
    "Epochs",
    "FeatureMaps",
    "Filters",
    "Fitted",
    "HeatMaps",
    "LatentCodes",
    "Mapped",
    "Order",
    "ScaledData",
    "States",
    "Trust",
    "attributed",
    "attribution",
    "chosen_places",
    "convolution_at",
    "convolutions",
    "embedding",
    "feature_maps",
    "filters",
    "first_epochs",
    "fitted",
    "fitted_line",
    "hidden_states",
    "latent_codes",
    "mapped",
    "run_config",
    "run_data",
    "scaled",
    "trained_model",
    "trust",
]
