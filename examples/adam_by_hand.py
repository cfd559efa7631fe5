"""A line through 100 points with Adam, its gradients caught, and m and v worked out from them by hand.

y = 1 + 2x + noise, learning rate 0.1, full batches. What the gradients say is held to what the optimiser itself keeps.
"""

import torch

import passo

torch.manual_seed(42)
x = torch.rand(100, 1)
y = 1 + 2 * x + 0.1 * torch.randn(100, 1)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
lens = passo.watch(optimizer, model)  # the one line

for epoch in range(100):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()

g = lens.trace("grad", "weight")  # the captured gradients of the slope: (100,)
found = passo.recompute(g, betas=(0.9, 0.999), eps=1e-8)
kept = optimizer.state[model.weight]
print(f"slope {model.weight.item():.4f}, intercept {model.bias.item():.4f} after {len(lens.steps)} steps")
print(f"m from the gradients {found.exp_avg[-1]:.8f}, m in the optimiser {kept['exp_avg'].item():.8f}")
print(f"v from the gradients {found.exp_avg_sq[-1]:.8f}, v in the optimiser {kept['exp_avg_sq'].item():.8f}")
assert abs(found.exp_avg[-1] - kept["exp_avg"].item()) < 1e-6
assert abs(found.exp_avg_sq[-1] - kept["exp_avg_sq"].item()) < 1e-6
print(lens.residual())
lens.figure("stages", parameter="weight").chart.save("adam-stages.png", scale_factor=2)
lens.figure("apart", parameter="weight", step=10).chart.save("adam-step-10.png", scale_factor=2)
