"""The class that readers of *Deep Learning with PyTorch Step-by-Step* know, on real images."""

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

import passo
from passo.stepbystep import StepByStep

data = passo.load("fashion-mnist-sample", per_class=50, classes=["Trouser", "Sandal", "Bag"])
train_loader = DataLoader(TensorDataset(data.train.images, data.train.labels), batch_size=16, shuffle=True)
val_loader = DataLoader(TensorDataset(data.test.images, data.test.labels), batch_size=64)

torch.manual_seed(13)
model = nn.Sequential()
model.add_module("conv1", nn.Conv2d(1, 4, 5))
model.add_module("relu1", nn.ReLU())
model.add_module("maxp1", nn.MaxPool2d(4))
model.add_module("flatten", nn.Flatten())
model.add_module("fc1", nn.Linear(4 * 6 * 6, 3))
optimizer = torch.optim.Adam(model.parameters())

sbs = StepByStep(model, nn.CrossEntropyLoss(), optimizer)
sbs.set_loaders(train_loader, val_loader)
sbs.set_lr_scheduler(OneCycleLR(optimizer, max_lr=0.01, epochs=8, steps_per_epoch=len(train_loader)))
sbs.capture_gradients("fc1")
sbs.train(5)
sbs.save_checkpoint("pause.safetensors")
sbs.train(3)  # goes on: no shuffle comes twice

print(f"{sbs.count_parameters()} parameters, {sbs.total_epochs} epochs, {len(sbs.learning_rates)} steps")
print(f"loss {sbs.losses[0]:.3f} → {sbs.losses[-1]:.3f}, validation {sbs.val_losses[-1]:.3f}")
print(
    f"gradients of fc1's weights: {len(sbs._gradients['fc1']['weight'])} of {sbs._gradients['fc1']['weight'][0].shape}"
)
right, count = StepByStep.loader_apply(val_loader, sbs.correct).T
print(
    "right, by class:", ", ".join(f"{name} {r} of {c}" for name, r, c in zip(data.classes, right, count, strict=True))
)
