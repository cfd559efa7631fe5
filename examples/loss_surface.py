"""The way of a training over the loss surface of its network, in your own loop; and how much of it a plane can show."""

import torch

import passo
from passo.analysis import loss_surface
from passo.figures import landscape_chart

data = passo.load("fashion-mnist-sample", per_class=60)
model = passo.build("mlp", data.in_shape, len(data.classes), seed=0, hidden=(32,))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = torch.nn.CrossEntropyLoss()
batches = passo.Batches(data.train.images, data.train.labels, 64, generator=torch.Generator().manual_seed(0))

with passo.record_path(model, optimizer, points=40) as recorder:
    for epoch in range(5):
        for x, y in batches:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

found = passo.landscape(recorder.path(), model=model, loss_fn=loss_fn, data=data, points=21, images=200)
surface = loss_surface(found)
print(f"the plane shows {surface.share_of_distance:.1%} of the squared distance from the end,")
print(f"where a random walk would show {surface.walk.distance:.1%}, and {surface.share_of_length:.1%} of the length")

figure = landscape_chart(found)
print(figure.sentence)
figure.save(".")  # landscape.png and landscape.svg
