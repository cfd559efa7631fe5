"""`StepByStep`: the book's class, method by method; what it does stands in the modules beside it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from passo.errors import CheckpointError, ConfigError, require
from passo.stepbystep import drawing, hooks, images, kept, rangetest
from passo.stepbystep.looping import SEED, Loop
from passo.training import checkpoint
from passo.training.evaluate import evaluating


class StepByStep(Loop):
    """Model, loss function and optimizer, trained over loaders of (x, y); the model goes to the GPU where there is one.

    `losses` and `val_losses` have one value an epoch, the mean of its mini-batches' (None where there is no validation
    loader); `learning_rates` one list, of all parameter groups, each time that the scheduler moves. Every method that
    the book adds with `setattr` can be replaced so: `train` calls `_mini_batch`, which calls `train_step_fn`,
    `val_step_fn` and `_mini_batch_schedulers`; then `_epoch_schedulers`.

    >>> _ = torch.manual_seed(13)
    >>> x = torch.linspace(0, 1, 8)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> sbs = StepByStep(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    >>> sbs.set_loaders([(x, 1 + 2 * x)])
    >>> sbs.train(200)
    >>> sbs.total_epochs, round(float(sbs.predict([[0.5]])[0, 0]), 1)
    (200, 2.0)
    """

    def __init__(self, model: nn.Module, loss_fn: Any, optimizer: Optimizer) -> None:
        super().__init__(model, loss_fn, optimizer)
        self.visualization: dict[str, np.ndarray | None] = {}
        self.handles: dict[str, Any] = {}
        self._gradients: hooks.Series = {}
        self._parameters: hooks.Series = {}
        self._capture: Callable[..., None] | None = None  # the hook behind `_parameters`

    # ── asking the model ──────────────────────────────────────────────────────────────────────────────────

    def predict(self, x: Any) -> np.ndarray:
        """The outputs for x, in evaluation mode; each module's own mode afterwards."""
        with evaluating(self.model):
            return self.model(torch.as_tensor(x).float().to(self.device)).cpu().numpy()

    def correct(self, x: Tensor, y: Tensor, threshold: float = 0.5) -> Tensor:
        """(right, count) for each class: (classes, 2). One column of outputs means two classes, told by `threshold`."""
        with evaluating(self.model):
            out = self.model(x.to(self.device))  # (N, classes); or (N, 1), logits, or probabilities after a Sigmoid
        if out.dim() > 1 and out.shape[1] > 1:
            classes, predicted = out.shape[1], out.argmax(1)
        else:
            ends_in_sigmoid = isinstance(self.model, nn.Sequential) and isinstance(self.model[-1], nn.Sigmoid)
            classes, predicted = 2, ((out if ends_in_sigmoid else out.sigmoid()) > threshold).long().flatten()
        of = [y.to(self.device).flatten() == label for label in range(classes)]
        return torch.tensor([[(predicted[at] == n).sum().item(), at.sum().item()] for n, at in enumerate(of)])

    def count_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    loader_apply = staticmethod(images.loader_apply)
    statistics_per_channel = staticmethod(images.statistics_per_channel)

    @staticmethod
    def make_normalizer(loader: Iterable[Any]) -> images.Normalize:
        """What brings each channel to about mean 0 and standard deviation 1, as `Normalize` of torchvision does."""
        return images.normalizer(StepByStep.loader_apply(loader, StepByStep.statistics_per_channel))

    # ── watching ──────────────────────────────────────────────────────────────────────────────────────────

    def attach_hooks(self, layers_to_hook: str | Sequence[str], hook_fn: Callable[..., Any] | None = None) -> None:
        """Gather the outputs of layers, (N, …) over all passes, in `visualization`; or call `hook_fn` instead."""
        layers = hooks.chosen(self.model, layers_to_hook)
        self._unhang(list(self.visualization))
        self.visualization = dict.fromkeys(layers)
        self._hang(hooks.gather_outputs(layers, self.visualization, hook_fn))

    def capture_gradients(self, layers_to_hook: str | Sequence[str]) -> None:
        """Keep every gradient of these layers: `_gradients[layer][parameter]` is a list of tensors."""
        layers = hooks.chosen(self.model, layers_to_hook)
        self._unhang([key for key in self.handles if key.endswith(".grad")])
        self._gradients, handles = hooks.gather_gradients(layers)
        self._hang(handles)

    def capture_parameters(self, layers_to_hook: str | Sequence[str]) -> None:
        """Keep the weights of these layers after every step: `_parameters[layer][parameter]` is a list of tensors."""
        self._parameters, self._capture = hooks.gather_parameters(hooks.chosen(self.model, layers_to_hook))
        self._hang({"parameters": self.optimizer.register_step_post_hook(self._capture)})

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Train with another optimizer; a scheduler of the one before is then refused by `train`."""
        self.optimizer = optimizer
        if self._capture is not None:
            self._hang({"parameters": optimizer.register_step_post_hook(self._capture)})

    def remove_hooks(self) -> None:
        """Gather and capture no more; what was gathered stays."""
        self._unhang(list(self.handles))
        self._capture = None

    def _hang(self, handles: dict[str, Any]) -> None:
        self._unhang(handles)
        self.handles.update(handles)

    def _unhang(self, keys: Iterable[str]) -> None:
        for key in keys:
            if key in self.handles:
                self.handles.pop(key).remove()

    # ── keeping ───────────────────────────────────────────────────────────────────────────────────────────

    def save_checkpoint(self, filename: str | Path) -> None:
        """Write all that the next epoch depends on, without pickle (`training.checkpoint`)."""
        drawn = kept.generators(self.train_loader, self.val_loader) if self._kept is None else self._kept["generators"]
        state = {
            "kind": "stepbystep",
            "epoch": self.total_epochs,
            "batches": self._batches,
            "seed": self._seed,
            "losses": _plain(self.losses),
            "val_losses": _plain(self.val_losses),
            "learning_rates": self.learning_rates,
            "model": kept.weights(self.model, self.loss_fn),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": kept.scheduler_state(self.scheduler, self._since, self.is_batch_lr_scheduler),
            "generators": drawn,
        }
        checkpoint.save(filename, state)

    def load_checkpoint(self, filename: str | Path) -> None:
        """Put it back; loaders and scheduler may be set before or after. `train` goes on as if it had never stopped."""
        state = checkpoint.load(filename)
        if state.get("kind") != "stepbystep":
            raise CheckpointError(f"{filename} was not written by save_checkpoint of this class")
        if self.scheduler is not None and state["scheduler"] is None:
            raise CheckpointError(f"{filename} was trained without a scheduler: load it first, then set the scheduler")
        kept.put_weights(state, self.model, self.loss_fn, self.optimizer)
        if self.scheduler is not None:
            self._put_scheduler(state)
        self.losses, self.val_losses = state["losses"], state["val_losses"]
        self.learning_rates, self.total_epochs = state["learning_rates"], state["epoch"]
        self._batches, self._seed, self._kept = state["batches"], state["seed"], state

    # ── TensorBoard ───────────────────────────────────────────────────────────────────────────────────────

    def set_tensorboard(self, name: str, folder: str = "runs") -> None:
        """Write both losses of every epoch to event files in `folder`/`name`_<now>."""
        writer = require("tensorboardX", "tensorboard").SummaryWriter
        self.writer = writer(f"{folder}/{name}_{datetime.now():%Y%m%d%H%M%S}")

    def add_graph(self) -> None:
        """Write the model's graph, traced with one mini-batch; model and generators stay as they are."""
        if self.writer is None or self.train_loader is None:
            raise ConfigError("the graph needs a writer and a mini-batch: set_tensorboard and set_loaders first")
        require("tensorboard", "book")
        before = kept.generators(self.train_loader)
        with evaluating(self.model), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's own way to TensorBoard traces with its jit
            self.writer.add_graph(self.model, next(iter(self.train_loader))[0].to(self.device))
        kept.put_generators(before, self.train_loader)

    # ── pictures ──────────────────────────────────────────────────────────────────────────────────────────

    def lr_range_test(
        self,
        data_loader: Any,
        end_lr: float,
        num_iter: int = 100,
        step_mode: str = "exp",
        alpha: float = 0.05,
        ax: Any = None,
    ) -> tuple[dict[str, list[float]], Any]:
        """Losses at rates from the optimizer's own to `end_lr`, evenly on a log scale ("exp") or as they are ("lin").

        Copies are trained, clipped as set here: nothing of this object, and no generator, is changed. It ends early
        where the loss, smoothed with the weight `alpha` on the newest, exceeds four times its lowest value. Returns
        {"loss": smoothed losses, "lr": rates} and the figure, which is `ax`'s where there is one.
        """
        drawing.pyplot()  # what it needs, asked for before the work
        plan = rangetest.plan(self.optimizer, end_lr, num_iter, step_mode, alpha)
        parts, seed = (self.model, self.loss_fn, self.optimizer), SEED if self._seed is None else self._seed
        tracking = rangetest.tracked(plan, *parts, data_loader, seed=seed, clip=self._clip, device=self.device)
        return tracking, drawing.range_curve(tracking, plan.mode == "exponential", ax)

    def plot_losses(self) -> Any:
        return drawing.losses(self.losses, self.val_losses)

    def visualize_filters(self, layer_name: str, **kwargs: Any) -> Any:
        """A Conv2d's filters by its name; `kwargs` go to matplotlib's `imshow`."""
        return drawing.filters(layer_name, hooks.chosen(self.model, layer_name)[layer_name], **kwargs)

    def visualize_outputs(
        self, layers: str | Sequence[str], n_images: int = 10, y: Any = None, yhat: Any = None
    ) -> Any:
        """What `attach_hooks` has gathered, for the first images; `y` and `yhat` are said under them."""
        names = [layers] if isinstance(layers, str) else layers
        return drawing.outputs(self.visualization, names, n_images, y, yhat)

    _visualize_tensors = staticmethod(drawing.tensors)


def _plain(losses: Iterable[Any]) -> list[float | None]:
    """Losses as numbers, those too that a step function of the reader's own returned as a tensor."""
    return [None if loss is None else float(loss) for loss in losses]


Architecture = StepByStep
