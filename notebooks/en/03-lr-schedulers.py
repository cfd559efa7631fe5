# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 LR schedulers
#
# Part of the note *One step at a time*: What averages, momentum, adaptive steps and learning-rate schedules do to a gradient: watched at every step of small trainings on real images.
#
# In Colab: *File → Upload notebook*. In Kaggle: *Create → Notebook*, then *File → Import notebook*.
#
# > Everything here was trained on the embedded sample of 3,000 real images and tested on 1,000, so that it runs anywhere in about a minute. Accuracies are therefore lower, and differences between three seeds larger, than on the full data set: `passo note optimizers --dataset fashion-mnist` writes this note on all of it.

# %%
# Installs passo where it is missing; the torch that is there already is kept.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("passo") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "passo[notes]"], check=True)

# %%
# Studies and figures are kept here. In Colab, to keep them in Drive:
#   from google.colab import drive; drive.mount("/content/drive"); OUT = Path("/content/drive/MyDrive/passo")
import os
from pathlib import Path

OUT = Path(".")
OUT.mkdir(parents=True, exist_ok=True)
os.chdir(OUT)

# %%
import passo

study = passo.study("optimizers").run()  # half a minute; what is there already is not run again


# %%
def show(name):
    figure = passo.draw(name, study)
    figure.save("figures")  # PNG, SVG
    print(figure.sentence)
    return figure


# %% [markdown]
# ## Learning-rate schedulers
#
# A learning rate that is good at the start, far from any minimum, is rarely good at the end, close to one, where every step is noise around a point. A scheduler changes it on the way. PyTorch offers many \[[7](#source-torch)\], and the question to ask first of each is not how its curve looks but *when it steps*. There are three answers.
#
# **After each epoch.** `StepLR`, `MultiStepLR`, `LambdaLR`, `ExponentialLR` and `CosineAnnealingLR` count epochs. With $\eta_0$ the first learning rate, $n$ the epochs done, $s$ the step size and $\gamma$ the factor, or with $T$ epochs of cosine down to $\eta_{\min}$ \[[16](#source-loshchilov2017)\]:
#
# $$
# \eta_n = \eta_0\, \gamma^{\lfloor n/s \rfloor}, \qquad \eta_n = \eta_{\min} + \frac{\eta_0 - \eta_{\min}}{2} \left(1 + \cos \frac{\pi n}{T}\right) \tag{13}
# $$
#
# `ExponentialLR` is the first of these with $s = 1$; `MultiStepLR` names the epochs instead of counting them; `LambdaLR` multiplies $\eta_0$ by any function of $n$.
#
# **After each validation.** `ReduceLROnPlateau` does not follow a plan at all. It is told the validation loss, and when that has not improved for more epochs than its patience allows, it multiplies the rate by a factor.
#
# **After each mini-batch.** `CyclicLR` \[[17](#source-smith2017)\] and `OneCycleLR` \[[18](#source-smith2018)\] move the rate up and down between two bounds, a little at every step. With $k$ the mini-batches done and $s$ half a cycle:
#
# $$
# \eta_k = \eta_{\min} + (\eta_{\max} - \eta_{\min})\, \max(0,\, 1 - |k/s - 2c + 1|), \qquad c = \lfloor 1 + k/(2s) \rfloor \tag{14}
# $$
#
# The mode `triangular2` halves the height of the triangle with each cycle $c$. `exp_range` shrinks it by a factor $\gamma$ at every step. `triangular` leaves it alone.
#
# In a loop of your own, the three kinds stand in three different places. To put one in the wrong place raises no error. It only makes another schedule.

# %%
import torch

model, loss_fn = torch.nn.Linear(4, 2), torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
batches = [(torch.randn(8, 4), torch.randint(0, 2, (8,)))] * 3
epochs, moments = 2, []
cyclic = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.01, max_lr=0.1, cycle_momentum=False)
step_lr = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)


def validation_loss() -> float:
    moments.append(len(moments))
    return 1.0


# %%
for epoch in range(epochs):
    for x, y in batches:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        cyclic.step()  # each mini-batch: CyclicLR, OneCycleLR
    step_lr.step()  # each epoch: StepLR, ExponentialLR, …
    plateau.step(validation_loss())  # each validation: ReduceLROnPlateau

# %%
assert cyclic.last_epoch == epochs * len(batches)
assert step_lr.last_epoch == len(moments) == epochs

# %% [markdown]
# There are also those that can do both: `CosineAnnealingWarmRestarts` takes fractions of an epoch. The loop of passo knows what each scheduler wants, and steps it at that moment. It can also draw any of them before anything is trained.
#
# ### The curves, before any training
#
# Look at the shape of [Figure 11](#figure-schedule-shapes) last. Watch first how wide its steps are, since that tells who has to call it; then where it ends, since that is the rate at which the weights are tested.
#
# <a id="figure-schedule-shapes"></a>

# %%
show("schedule-shapes")

# %% [markdown]
# **Figure 11.** Schedules before they are used: the learning rate at each mini-batch, from torch's own schedulers.

# %% [markdown]
# *When each schedule steps.*
#
# | schedule | steps | first rate | highest | last |
# | --- | --- | --- | --- | --- |
# | `StepLR` | after each epoch | 0.1 | 0.1 | 0.013 |
# | `MultiStepLR` | after each epoch | 0.1 | 0.1 | 0.013 |
# | `LambdaLR` | after each epoch | 0.1 | 0.1 | 0.027 |
# | `ExponentialLR` | after each epoch | 0.1 | 0.1 | 0.013 |
# | `CosineAnnealingLR` | after each epoch | 0.1 | 0.1 | 0.0024 |
# | `ReduceLROnPlateau` | after each validation | 0.1 | 0.1 | 0.025 |
# | `CyclicLR triangular` | after each mini-batch | 0.01 | 0.1 | 0.015 |
# | `CyclicLR triangular2` | after each mini-batch | 0.01 | 0.1 | 0.01 |
# | `CyclicLR exp_range` | after each mini-batch | 0.01 | 0.084 | 0.011 |
# | `OneCycleLR` | after each mini-batch | 0.004 | 0.1 | 4 × 10⁻⁷ |
# | `CosineAnnealingWarmRestarts` | after each mini-batch | 0.1 | 0.1 | 0.052 |
#
# ### What they do to a training
#
# Now the effect. All trainings use SGD with Nesterov momentum. The reference keeps its learning rate at 0.03. `StepLR` changes it twice in the run of seed 0, `ReduceLROnPlateau` once, `CyclicLR` at every mini-batch, as does `OneCycleLR`, which begins low, climbs to 0.06 and ends close to zero.
#
# <a id="figure-schedule-effects"></a>

# %%
show("schedule-effects")

# %% [markdown]
# **Figure 12.** The same network, optimiser and seeds under five schedules. Lines are means over seeds, whiskers their 95 % intervals, set apart sideways so that all can be seen. Learning rates: seed 0.

# %% [markdown]
# In [Figure 12](#figure-schedule-effects) hold the lowest panel against the upper ones: what does the loss do where the rate is high, and what where it falls?
#
# *Test accuracy under each schedule, and the paired difference to the constant learning rate.*
#
# | configuration | settings | test accuracy | difference | verdict |
# | --- | --- | --- | --- | --- |
# | SGD with Nesterov momentum | η 0.03, μ 0.9 | 75.5 ± 5.7 % |  |  |
# | Nesterov under StepLR | η 0.03, μ 0.9, `StepLR` (step_size 2 epochs, gamma 0.3) | 76.1 ± 4.8 % | +0.6 points, interval −1.4 to 2.6 | not distinguishable |
# | Nesterov under ReduceLROnPlateau | η 0.03, μ 0.9, `ReduceLROnPlateau` (factor 0.3, patience 0, threshold 0.05) | 75.7 ± 5.3 % | +0.2 points, interval −0.4 to 0.7 | not distinguishable |
# | Nesterov under CyclicLR | η 0.03, μ 0.9, `CyclicLR` (base_lr 0.003, max_lr 0.06, step_size_up 1 epoch, mode triangular) | 72.8 ± 1.2 % | −2.8 points, interval −9.4 to 3.8 | not distinguishable |
# | Nesterov under OneCycleLR | η 0.03, μ 0.9, `OneCycleLR` (max_lr 0.06) | 77.2 ± 4.7 % | +1.7 points, interval −1.3 to 4.7 | not distinguishable |
#
# The highest mean belongs to Nesterov under OneCycleLR, with 77.2 ± 4.7 %. But no schedule can be told apart from the constant rate after five epochs and with three seeds. A schedule is made for trainings long enough to reach a floor and to be kept from it by noise; these are short. Mind also what an end does to a verdict: a cycle that happens to end high is tested at its noisiest moment, one that ends low at its calmest. `CyclicLR` ended its last epoch at a rate of 0.059, `OneCycleLR` at 2.4 × 10⁻⁷.
#
# ### What they do to a path
#
# <a id="figure-schedule-paths"></a>

# %%
show("schedule-paths")

# %% [markdown]
# **Figure 13.** The same surface and start (square), the end of each path (ring) and the minimum (cross); 50 mini-batch steps each, the largest learning rate is 0.3.

# %% [markdown]
# Back in the valley, with momentum in the first row and Nesterov in the second. This time the learning rate is 0.3, 3 times that of the paths above, so that there is something to tame. Without a schedule, momentum walks 2.8 times the straight distance, ends 0.027 from the minimum, and pays a loss of 7.1 × 10⁻⁴ above it. With `StepLR` it walks 2.1 times the distance, ends 0.1 away, and pays 2.8 × 10⁻⁴: as the steps get shorter, the noise of the mini-batches moves it less and less, and it settles on the floor of the valley, if not at its lowest point, for along the floor the loss hardly changes. `CyclicLR`, which starts low, ends 0.087 away. The same three for Nesterov: 0.036, 0.046 and 0.038.
#
# *Every path after 50 mini-batches.*
#
# | path | distance left | swings past by | way walked ÷ straight line | loss above the minimum |
# | --- | --- | --- | --- | --- |
# | `line-sgd` | 0.97 | 0 % | 0.46 | 0.018 |
# | `line-momentum` | 0.12 | 0 % | 1.8 | 3 × 10⁻⁴ |
# | `line-nesterov` | 0.12 | 0 % | 1.3 | 3.2 × 10⁻⁴ |
# | `line-momentum-none` | 0.027 | 20 % | 2.8 | 7.1 × 10⁻⁴ |
# | `line-momentum-step` | 0.1 | 9 % | 2.1 | 2.8 × 10⁻⁴ |
# | `line-momentum-cyclic` | 0.087 | 6 % | 3 | 0.0034 |
# | `line-nesterov-none` | 0.036 | 14 % | 2 | 4.5 × 10⁻⁴ |
# | `line-nesterov-step` | 0.046 | 4 % | 1.5 | 6.9 × 10⁻⁵ |
# | `line-nesterov-cyclic` | 0.038 | 3 % | 1.7 | 2.2 × 10⁻⁴ |
#
# Theory asks of a schedule that its rates add up to infinity while their squares do not \[[11](#source-robbins1951)\], so that every place can be reached and the noise dies out in the end. No schedule of this section obeys it: none has an infinity to spend. What practice asks is what the rate does in the epochs that there are. So draw the schedule over *your* epochs first, then train with it:

# %% [markdown]
# ```sh
# passo schedule CosineAnnealingWarmRestarts T_0=2 T_mult=2 lr=0.03 epochs=5 steps_per_epoch=43 --out restarts.html
# passo train dataset=fashion-mnist-sample model=tiny-cnn optimizer=sgd optimizer.lr=0.03 optimizer.momentum=0.9 schedule=CosineAnnealingWarmRestarts schedule.T_0=2 epochs=5
# ```

# %% [markdown]
# ## Sources
#
# 7. <a id="source-torch"></a>PyTorch documentation, “torch.optim”, pytorch.org/docs.
# 11. <a id="source-robbins1951"></a>H. Robbins, S. Monro, “A stochastic approximation method”, *Ann. Math. Statistics* 22, 1951.
# 16. <a id="source-loshchilov2017"></a>I. Loshchilov, F. Hutter, “SGDR: stochastic gradient descent with warm restarts”, *ICLR*, 2017.
# 17. <a id="source-smith2017"></a>L. N. Smith, “Cyclical learning rates for training neural networks”, *WACV*, 2017.
# 18. <a id="source-smith2018"></a>L. N. Smith, N. Topin, “Super-convergence”, arXiv:1708.07120, 2018.
