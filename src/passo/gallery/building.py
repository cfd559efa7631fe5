"""Defects of how a network is built: its start, its depth, its layers, and what of it the optimizer gets."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import nn

from passo.gallery.defect import Defect
from passo.gallery.loop import Optimizer
from passo.gallery.networks import ADAM, deep, network, own_optimizer
from passo.language import later

GAIN = 1.4  # the exploding network's weights, as a multiple of He's
ADAMS_GAIN = 2.5  # Adam bears more: it divides a gradient by its size


def with_softmax(model: nn.Module) -> None:
    model.add_module("softmax", nn.Softmax(dim=1))


def head_alone(model: nn.Module, kind: str) -> Optimizer:
    return own_optimizer(model.get_submodule("head"), kind)


def frozen(model: nn.Module) -> None:
    model.get_submodule("features").requires_grad_(False)


@torch.no_grad()
def zeroed(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            for parameter in layer.parameters():
                parameter.zero_()


@torch.no_grad()
def deadened(model: nn.Module) -> None:
    """What stands right before a ReLU gets the bias -10."""
    layers = [layer for layer in model.get_submodule("features").modules() if not isinstance(layer, nn.Sequential)]
    for layer, after in pairwise(layers):
        if isinstance(after, nn.ReLU):
            layer.get_parameter("bias").fill_(-10.0)


def exploding(kind: str) -> nn.Module:
    """A deep head without normalisation whose weights are `GAIN` or `ADAMS_GAIN` times He's."""
    gain = ADAMS_GAIN if kind in ADAM else GAIN
    model = deep(kind, normed=False)
    for layer in model.get_submodule("head").modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=gain * (2 / layer.in_features) ** 0.5)
    return model


DEFECTS = (
    Defect(
        key="softmax",
        detector="softmax-twice",
        title=later("Softmax stands before the cross-entropy"),
        wrong=later("CrossEntropyLoss takes logits and applies the softmax itself; here it gets probabilities."),
        broken="model = nn.Sequential(..., nn.Linear(64, 10), nn.Softmax(dim=1))",
        cured="model = nn.Sequential(..., nn.Linear(64, 10))",
        symptom=later("The outputs are probabilities, and the loss cannot fall below 1.46 for ten classes."),
        cure=later("Let the model end with its last linear layer."),
        change={"spoil": with_softmax},
    ),
    Defect(
        key="missing-parameters",
        detector="lacking",
        title=later("The optimizer lacks parameters"),
        wrong=later("The optimizer was built on the last layer; the others have gradients and never move."),
        broken="optimizer = SGD(model.head.parameters(), lr)",
        cured="optimizer = SGD(model.parameters(), lr)",
        symptom=later("Parameters with gradients are in no group of the optimizer."),
        cure=later("Give the optimizer model.parameters(), once the model is complete."),
        change={"optimizer": head_alone},
    ),
    Defect(
        key="frozen",
        title=later("Layers are frozen by mistake"),
        wrong=later("A line that was meant for a pretrained model stops a new one's layers from learning."),
        broken="for p in model.features.parameters():\n    p.requires_grad = False",
        cured="for p in model.features.parameters():\n    p.requires_grad = True",
        symptom=later("Layers have no gradient and do not move; most of the parameters are still as they were drawn."),
        cure=later("Set requires_grad to True before the optimizer is built."),
        change={"spoil": frozen},
    ),
    Defect(
        key="zero-init",
        title=later("All weights begin at zero"),
        wrong=later("Units that begin alike stay alike, and behind a ReLU they get no gradient at all."),
        broken="nn.init.zeros_(layer.weight)",
        cured="nn.init.kaiming_normal_(layer.weight)",
        symptom=later(
            "The activations are 0, the gradients of all but the last bias too, and the loss stays at ln 10."
        ),
        cure=later("Draw the weights at random, with He's or Glorot's standard deviation."),
        change={"spoil": zeroed},
    ),
    Defect(
        key="dead-relu",
        detector="dead",
        title=later("ReLUs are dead"),
        wrong=later("The biases lie so far below 0 that no example makes a unit positive, and so it gets no gradient."),
        broken="nn.init.constant_(layer.bias, -10.0)",
        cured="nn.init.zeros_(layer.bias)",
        symptom=later("The activations behind each ReLU are all 0, and the layers before it do not move."),
        cure=later("Let biases begin at 0; a lower learning rate or LeakyReLU where units die on the way."),
        change={"spoil": deadened},
    ),
    Defect(
        key="exploding",
        title=later("Gradients explode"),
        wrong=later("Eight layers without normalisation multiply by weights that are too large."),
        broken="nn.init.normal_(layer.weight, std=1.4 * (2 / width) ** 0.5)",
        cured="layer = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())",
        symptom=later(
            "Activations and gradients grow from layer to layer; the first loss is far above ln 10, or soon no number."
        ),
        cure=later("Begin with He's standard deviation, normalise, clip gradients, or add residual connections."),
        twin="healthy-deep",
        change={"build": exploding},
    ),
    Defect(
        key="vanishing",
        title=later("Gradients vanish"),
        wrong=later("Eight sigmoids in a row: each multiplies the gradient by at most a quarter."),
        broken="layer = nn.Sequential(nn.Linear(64, 64), nn.Sigmoid())",
        cured="layer = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())",
        symptom=later(
            "The first layers' gradients are many times smaller than the last one's, and the loss stays at ln 10."
        ),
        cure=later("Take ReLU with He's standard deviation, normalise, or add residual connections."),
        twin="healthy-deep",
        change={"build": partial(deep, unit=nn.Sigmoid, normed=False)},
    ),
    Defect(
        key="batch-of-one",
        title=later("BatchNorm sees one example at a time"),
        wrong=later("With one image a batch, BatchNorm normalises each image by itself, and differently in eval mode."),
        broken="loader = DataLoader(training, batch_size=1)  # BatchNorm2d",
        cured="loader = DataLoader(training, batch_size=1)  # GroupNorm",
        symptom=later("The batch holds one example; validation in eval mode is worse than training, and restless."),
        cure=later("Take batches of 16 and more, or GroupNorm in place of BatchNorm."),
        twin="healthy-single",
        change={"build": network},
        models=("cnn", "allconv"),
        without=later("BatchNorm refuses a batch of one where a channel is a single number, and others have none."),
    ),
)
