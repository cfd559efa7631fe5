"""One explanation for each implementation that a study used: optimizers, schedules and models, in a sentence or two."""

from __future__ import annotations

import inspect
from typing import Any

from passo.language import later, t

OPTIMIZERS: dict[str, tuple[str, str]] = {
    "sgd": (
        later("Gradient descent on mini-batches; with momentum μ, each step is an exponentially weighted sum of all "
              "the gradients so far, and Nesterov's variant looks one step ahead."),
        r"b \leftarrow \mu b + g, \qquad \theta \leftarrow \theta - \eta\, b",
    ),
    "adam": (
        later("Divides a moving average of the gradient by the root of a moving average of its square, both corrected "
              "for having started at zero: every weight gets a step of about the learning rate."),
        r"\theta \leftarrow \theta - \eta\, \frac{\hat m}{\sqrt{\hat v} + \varepsilon}",
    ),
    "adamw": (
        later("Adam, with the decay of the weights taken out of the gradient: it shrinks them beside the step, "
              "whatever the size of the gradient."),
        r"\theta \leftarrow (1 - \eta\lambda)\,\theta - \eta\, \frac{\hat m}{\sqrt{\hat v} + \varepsilon}",
    ),
    "rmsprop": (
        later("Divides the gradient by the root of a moving average of its square."),
        r"v \leftarrow \alpha v + (1-\alpha) g^2, \quad"
        r"\theta \leftarrow \theta - \eta\, \frac{g}{\sqrt v + \varepsilon}",
    ),
    "adagrad": (
        later("Divides the gradient by the root of the sum of all its squares: steps only become smaller."),
        r"a \leftarrow a + g^2, \qquad \theta \leftarrow \theta - \eta\, \frac{g}{\sqrt a + \varepsilon}",
    ),
    "adadelta": (
        later("Like RMSprop, with the size of past steps in the place of a learning rate."),
        r"\Delta = g\,\frac{\sqrt{d + \varepsilon}}{\sqrt{v + \varepsilon}}, \quad"
        r"\theta \leftarrow \theta - \eta\,\Delta",
    ),
    "ftrl": (
        later("Computes the weights anew at every step from sums over all gradients; made for linear models with many "
              "zeros."),
        r"\theta \leftarrow \frac{\mathrm{clip}(z, -\lambda_1, \lambda_1) - z}{\sqrt n/\eta + 2\lambda_2}",
    ),
}  # fmt: skip
SCHEDULES = {
    "StepLR": later("Multiplies the learning rate by γ after every so many epochs."),
    "MultiStepLR": later("Multiplies the learning rate by γ after the epochs that are named."),
    "ExponentialLR": later("Multiplies the learning rate by γ after every epoch."),
    "LambdaLR": later("The learning rate is a function of the epoch that the user writes."),
    "CosineAnnealingLR": later("The learning rate falls along half a cosine to its end."),
    "CosineAnnealingWarmRestarts": later(
        "Falls along half a cosine, and starts again at the top, each time for longer."
    ),
    "ReduceLROnPlateau": later("Lowers the learning rate where the validation loss has stopped to fall."),
    "CyclicLR": later("The learning rate goes up and down between two values, mini-batch by mini-batch."),
    "OneCycleLR": later("One rise to a maximum and one long fall, over the whole training, mini-batch by mini-batch."),
}
MODELS = {
    "mlp": later("A fully connected network: the image as a list of pixels, layers of weighted sums with an activation "
                 "between them."),
    "lenet": later("LeNet: two convolutions with pooling, then three fully connected layers."),
    "tiny-cnn": later("A very small convolutional network, small enough to look at every weight."),
    "cnn": later("A convolutional network: filters that look for the same pattern in every place, pooling, then fully "
                 "connected layers."),
    "cnn2": later("Two convolutions with dropout, then fully connected layers."),
    "rnn": later("A plain recurrent network that reads the image row by row; the last state decides."),
    "lstm": later("A recurrent network with gates that decide what is kept, forgotten and shown (LSTM)."),
    "gru": later("A recurrent network with two gates, the smaller relative of the LSTM (GRU)."),
    "autoencoder": later("Squeezes an image through a few numbers, and gives it back from these."),
    "gan": later("A generator that makes images and a discriminator that tells them from real ones, trained against "
                 "each other."),
}  # fmt: skip


def optimizer(name: str) -> tuple[str, str]:
    """What an optimizer does, and its equation as LaTeX; of others than the usual, what the class says of itself."""
    plain = name.removeprefix("keras-")
    if plain in OPTIMIZERS and plain == name:
        words, equation = OPTIMIZERS[name]
        return t(words), equation
    if plain in OPTIMIZERS:
        words, equation = OPTIMIZERS[plain]
        told = t("As Keras defines it: its constants stand elsewhere than PyTorch's, so that steps differ.")
        return f"{t(words)} {told}", equation if plain == "ftrl" else ""
    from passo.optim.catalogue import CLASSES

    return _first_line(CLASSES.get(name)), ""


def schedule(name: str) -> str:
    """What a schedule does."""
    if name in SCHEDULES:
        return t(SCHEDULES[name])
    from passo.optim.rules import CLASSES

    return _first_line(CLASSES.get(name))


def model(name: str) -> str:
    """What a model is."""
    if name in MODELS:
        return t(MODELS[name])
    from passo.models.catalogue import MODELS as BUILDERS

    return _first_line(BUILDERS[name]) if name in BUILDERS else t("A model of one's own, in a file beside the study.")


def _first_line(of: Any) -> str:
    return (inspect.getdoc(of) or "").partition("\n")[0] if of is not None else ""
