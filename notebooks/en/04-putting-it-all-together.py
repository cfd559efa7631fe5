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
# # 04 Putting it all together
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
# ## Putting it all together
#
# Two complete trainings, from the choice of the learning rate to the test: Adam, which adapts its steps by itself, and SGD with Nesterov momentum under `CyclicLR` in its mode `triangular2`.
#
# ### How large may a step be?
#
# The **range test** \[[17](#source-smith2017)\] asks the network. Start with a learning rate that is far too small, raise it by the same factor at every mini-batch, and watch the loss. First nothing happens. Then the loss falls. Then it stops falling, and at last it explodes. The useful rates are where it falls, and the suggestion is the rate at which the smoothed loss, an EWMA with bias correction of course, falls most steeply per decade.

# %%
import torch

model, loss_fn = torch.nn.Linear(4, 2), torch.nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters())
images = torch.randn(100, 32, 4)
batches = [(x, (x.sum(1) > 0).long()) for x in images]
before = model.weight.clone()

# %%
import passo

found = passo.lr_range(model, loss_fn, optimizer, batches)
found.suggestion  # your model and your optimizer are as they were

# %%
assert found.suggestion > 0
assert torch.equal(before, model.weight) and not optimizer.state

# %% [markdown]
# It works on copies. A range test drives a network into the ground, and it should never be yours. In [Figure 14](#figure-lr-range) watch how far the seeds lie apart, and how much room there is between the suggestion and the explosion.
#
# <a id="figure-lr-range"></a>

# %%
show("lr-range")

# %% [markdown]
# **Figure 14.** Smoothed mini-batch loss while the learning rate rises: thin lines are the 3 seeds, the thick one their mean with its 95 % interval, as far as all tests go; the dashed line is the suggestion, crosses are where tests stopped because the loss had grown away; losses outside the frame are cut. Ticks at the lower edge are the seeds' suggestions, the dashed line their geometric mean.

# %% [markdown]
# *One range test for each seed; a test stops once its smoothed loss is four times its best.*
#
# | range test | seed | suggested rate | stopped at |
# | --- | --- | --- | --- |
# | `range-adam` | 0 | 0.015 | 0.71 |
# | `range-adam` | 1 | 0.0095 | went to the end |
# | `range-adam` | 2 | 0.014 | went to the end |
# | `range-nesterov` | 0 | 0.038 | went to the end |
# | `range-nesterov` | 1 | 0.095 | went to the end |
# | `range-nesterov` | 2 | 0.095 | went to the end |
#
# The tests suggest 0.0095 to 0.015 for Adam and 0.038 to 0.095 for Nesterov. The seeds stay within a factor of 2.5 of each other, which is as good as one may hope for from one pass with single mini-batches. We take the geometric mean of the seeds. Adam trains with it as it is, 0.013. For Nesterov it becomes the top of the cycle, 0.07; the bottom is 10 times smaller, and each new cycle climbs half as high as the one before.
#
# ### On the way
#
# <a id="figure-final-adapted"></a>

# %%
show("final-adapted")

# %% [markdown]
# **Figure 15.** conv1.weight\[0, 0, 2, 2\] in adam-final-s0 (left) and nesterov-cyclic-final-s0 (right): the gradient and its memory; what multiplies, lr/(√v̂ + ε) on the left and the learning rate on the right; the update, explained and measured.

# %% [markdown]
# [Figure 15](#figure-final-adapted) shows the same weight, `conv1.weight[0, 0, 2, 2]`, in both. Adam's adapted gradient is a number without a unit: for this weight at most 1 in size, with a root mean square over the tensor of 0.32. What Nesterov multiplies is in the units of the gradient itself, with a root mean square of 0.18. The learning rates make up for the difference: the root mean square of the actual updates is 0.0039 with Adam and 0.0059 with Nesterov. That is the number to compare when somebody asks which of two optimisers has the larger learning rate.
#
# <a id="figure-final-curves"></a>

# %%
show("final-curves")

# %% [markdown]
# **Figure 16.** Each with the learning rate that its own range test suggests. Lines are means over seeds, bands their 95 % intervals; bands wider than the frame are cut. Learning rates: seed 0.

# %% [markdown]
# [Figure 16](#figure-final-curves) has all that this note has spoken of in one picture: a loss, an accuracy, and the rate that drove them. Watch the epochs in which the cycle is at its top.
#
# ### The test
#
# <a id="figure-final-accuracy"></a>

# %%
show("final-accuracy")

# %% [markdown]
# **Figure 17.** Mean test accuracy and 95 % interval over seeds; small dots are the seeds. The test set was used once.

# %% [markdown]
# Adam reaches a test accuracy of 75.4 ± 9.0 %, Nesterov with `triangular2` 74.7 ± 4.7 %. Adam at its range test's rate cannot be told apart in test accuracy from Nesterov and CyclicLR `triangular2` (+0.8 points, interval −8.9 to 10.4). Did the range test help? Adam at its range test's rate reaches a higher test accuracy than Adam (+2.3 points, interval 0.9 to 3.6), whose rate of 0.003 was chosen by habit. Nesterov and CyclicLR `triangular2` cannot be told apart in test accuracy from SGD with Nesterov momentum (−0.9 points, interval −2.0 to 0.3), which kept a constant rate of 0.03. Where it helped, it did so at the price of 97 mini-batches.
#
# In theory the range test finds the steepest slope of a loss that is passed once, from fresh weights, by one mini-batch at a time; what is wanted is the best rate for many epochs. They are relatives, not the same. So let the suggestion be checked by short trainings, at a third of it, at it and at three times as much:

# %% [markdown]
# ```sh
# passo lr-range dataset=fashion-mnist-sample model=tiny-cnn optimizer=adam --seeds 5 --verify
# ```

# %% [markdown]
# ## The same name in another library
#
#
# "Trained with RMSprop, default settings." What was run? A name stands for three things that two libraries may fill in differently: the equations, the constants in them, and the values from which the averages start. PyTorch \[[7](#source-torch)\] and Keras \[[19](#source-keras)\] agree on the name. We train with both definitions, in PyTorch, on the same images from the same weights.
#
# ### The definitions
#
# RMSprop keeps one average, of the squared gradients, $v_t = \alpha\, v_{t-1} + (1-\alpha)\, g_t^2$, and divides by its root. Where does the $\varepsilon$ go that keeps the division safe?
#
# $$
# \text{PyTorch:}\quad \theta_t = \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{v_t} + \varepsilon} \qquad\qquad \text{Keras:}\quad \theta_t = \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{v_t + \varepsilon}} \tag{15}
# $$
#
# The signs are those of the section on Adam. An $\varepsilon$ inside of the root acts like $\sqrt{\varepsilon}$ outside: Keras' 10⁻⁷ holds weights back whose gradients lie below 3.2 × 10⁻⁴, PyTorch's 10⁻⁸ only those below that very number.
#
# Momentum differs by the place of the learning rate, with $\eta_t$ for the rate at step $t$ and $w$ for Keras' buffer:
#
# $$
# \begin{aligned}
# \text{PyTorch:}\quad & b_t = \mu\, b_{t-1} + g_t, & \theta_t &= \theta_{t-1} - \eta_t\, b_t \\
# \text{Keras:}\quad & w_t = \mu\, w_{t-1} - \eta_t\, g_t, & \theta_t &= \theta_{t-1} + w_t
# \end{aligned} \tag{16}
# $$
#
# As long as the rate stays the same, $w_t = -\eta\, b_t$ and the two are one. Adam's $\varepsilon$ is divided by $\sqrt{1-\beta_2^t}$ in Keras, so that it weighs more in the first steps; Adagrad \[[20](#source-duchi2011)\] sums its squares from 0.1 there, from 0 here. In Python they stand side by side:

# %%
import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
model(torch.randn(8, 4)).square().mean().backward()

# %%
import torch

import passo
from passo.optim import keras

torch.optim.RMSprop(model.parameters())  # PyTorch's equations and defaults
keras.RMSprop(model.parameters())  # Keras' equations and defaults, an ordinary PyTorch optimiser
optimizer = passo.make_optimizer("keras-rmsprop", model.parameters(), lr=0.003)

# %%
assert isinstance(optimizer, keras.RMSprop)
before = model.weight.detach().clone()
optimizer.step()
assert not torch.equal(before, model.weight)

# %% [markdown]
# ### The defaults
#
# *The same names with nothing given: same first weights, same batches, and so the same first gradient.*
#
# | name | PyTorch's defaults | test accuracy | Keras' defaults | test accuracy | first step, Keras' ÷ PyTorch's | Keras' accuracy is |
# | --- | --- | --- | --- | --- | --- | --- |
# | SGD | η 0.001 | 10.2 ± 9.2 % | η 0.01 | 42.1 ± 36.4 % | 10 | not distinguishable |
# | RMSprop | η 0.01, α 0.99, ε 10⁻⁸ | 61.5 ± 20.3 % | η 0.001, α 0.9, ε 10⁻⁷ | 68.0 ± 1.7 % | 0.03 | not distinguishable |
# | Adam | η 0.001, ε 10⁻⁸ | 69.1 ± 0.7 % | η 0.001, ε 10⁻⁷ | 69.0 ± 0.6 % | 1 | not distinguishable |
# | Adagrad | η 0.01, ε 10⁻¹⁰ | 70.4 ± 2.0 % | η 0.001, ε 10⁻⁷ | 16.4 ± 15.6 % | 0.0055 | lower |
# | Adadelta | η 1, ρ 0.9, ε 10⁻⁶ | 71.7 ± 1.8 % | η 0.001, ρ 0.95, ε 10⁻⁷ | 9.0 ± 9.2 % | 4.9 × 10⁻⁴ | lower |
#
# <a id="figure-library-defaults"></a>

# %%
show("library-defaults")

# %% [markdown]
# **Figure 18.** Validation loss with the defaults of either library, means over seeds; bands are 95 % intervals, cut at the frame. PyTorch has no Ftrl.

# %% [markdown]
# Each panel of [Figure 18](#figure-library-defaults) is one name, on one scale. Watch how far apart the lines are that would both be called by it. Of five names, two can be told apart by test accuracy:
#
# - SGD with Keras' defaults cannot be told apart in test accuracy from SGD with PyTorch's defaults (+31.9 points, interval −12.7 to 76.4).
# - RMSprop with Keras' defaults cannot be told apart in test accuracy from RMSprop with PyTorch's defaults (+6.5 points, interval −14.2 to 27.1).
# - Adam with Keras' defaults cannot be told apart in test accuracy from Adam with PyTorch's defaults (−0.1 points, interval −0.6 to 0.5).
# - Adagrad with Keras' defaults reaches a lower test accuracy than Adagrad with PyTorch's defaults (−54.1 points, interval −67.7 to −40.4).
# - Adadelta with Keras' defaults reaches a lower test accuracy than Adadelta with PyTorch's defaults (−62.7 points, interval −70.6 to −54.8).
#
# How much of that is the rate? At the first step nothing but the library differs: the weights, the images and so the gradient are the same. Keras' SGD goes 10 times as far as PyTorch's, with a rate 10 times as large; its Adadelta 4.9 × 10⁻⁴ times, with 0.001 times the rate; its Adagrad 0.0055 times, with 0.1 times the rate, and there the rest is the value from which the sum starts.
#
# ### Two that lose in every student's table
#
# **Adadelta** \[[21](#source-zeiler2012)\] was made to need no learning rate: its step is the gradient in units of its own past steps over its past gradients. PyTorch keeps a rate of 1, which is none. Keras multiplies by 0.001, as for most of its optimisers; PyTorch's rate is 1,000 times that. So it is not the idea that loses here, but a default.
#
# **Ftrl** \[[22](#source-mcmahan2013)\], which PyTorch does not have, computes every weight anew from sums over all gradients. With Keras' defaults, where $a$ is the value from which it sums squares, its first step is
#
# $$
# \theta_1 = \theta_0 \left(1 - \sqrt{\frac{a}{a + g_1^2}}\right) - \eta\, \frac{g_1}{\sqrt{a + g_1^2}} \tag{17}
# $$
#
# The bracket is close to zero wherever the gradient is small: the random start, without which the layers of a network cannot begin to differ, is erased. Measured, the first step leaves 0.30 % of the length of all weights. What follows is a training from nearly nothing: at its end the validation loss is 2.303 ± 0.000, where giving every class the same probability costs 2.303, and the test accuracy 10.0 ± 0.0 %, where guessing has 10.0 %. Whether a start that is kept would save it, on deeper networks as well, is a study of its own:

# %% [markdown]
# ```sh
# passo study run why-ftrl-loses
# ```

# %% [markdown]
# ### A schedule under both definitions
#
# Now the one difference that no default hides. Two trainings with SGD, the same momentum of 0.9, the same learning rates, the same `StepLR`; only the definition of momentum differs.
#
# <a id="figure-coasting"></a>

# %%
show("coasting")

# %% [markdown]
# **Figure 19.** Root mean square of each update over all weights, first seed, same learning rates and momentum; dashed where the rate drops. Logarithmic.

# %% [markdown]
# Watch the steps right after the first dashed line of [Figure 19](#figure-coasting). The rate falls to 10 % of what it was. PyTorch's step falls with it, to 11 % of the ten before; Keras' is at 144 %, and ten steps later at 60 %. Its buffer holds steps that were taken at the old rate, and coasts on them; in theory for about $1/(1-\mu)$ steps, which is ten. What does that do to the result? Keras' momentum under StepLR cannot be told apart in test accuracy from PyTorch's momentum under StepLR (−2.7 points, interval −9.4 to 4.1).
#
# On paper, then, a name is an equation; in a program it is an equation, its constants and its start. The remedy costs one line in a paper: write down every argument, and whose definition it was. To see what a name expands to, train with it, and read the settings that were kept:

# %% [markdown]
# ```sh
# passo train dataset=fashion-mnist-sample model=tiny-cnn optimizer=keras-adadelta epochs=5 record.every=1
# ```

# %% [markdown]
# ## How to choose an optimiser
#
#
# Everybody asks which optimiser is best. The experiments of others answer that none is, on all problems, and that trying a few with what they come with finds about as much as tuning one \[[23](#source-schmidt2021)\]. What can this study add? It has tried five optimisers at two or more constant learning rates, on the same images, from the same weights. So we may ask what matters more: the name, or its rate.
#
# <a id="figure-rates"></a>

# %%
show("rates")

# %% [markdown]
# **Figure 20.** Mean test accuracy of every constant learning rate that was tried, PyTorch's and Keras' definitions under one name; whiskers are 95 % intervals over seeds.

# %% [markdown]
# Read [Figure 20](#figure-rates) along a line first, then across the lines. *Along:* the rate alone moves the mean accuracy of `adadelta` by 63 points. *Across:* with each of the five at the best of the rates that it was tried at, the best and the last lie 13 points apart. The rate matters more than the name, and by far. Nothing in theory says that it must be so; theory bounds each optimiser at *its* rate. In practice a comparison at one rate, or at the defaults of a library, compares rates.
#
# And the winner? One may choose by the validation images only, and look at the test once. Of all 29 configurations the highest mean validation accuracy belongs to Nesterov under OneCycleLR, 81.1 ± 6.0 %. Its test accuracy is 77.2 ± 4.7 %. Of the 28 others, the seeds put 13 below it and leave 15 open, each pair judged by itself. With so much open, "the best" is a name for luck.
#
# ### What we would do
#
# The rest is advice: it follows from the sections above and from what others have measured, not from this study alone.
#
# - **First the rate.** A range test takes 97 mini-batches. Whatever the optimiser, do that before anything else.
# - **No time to tune: Adam**, or AdamW where the weights are to be decayed, at the rate of its range test. Its step is about as long as the rate at most, whatever the size of the gradients, so that a guess at the rate goes a long way.
# - **Time to tune: SGD with Nesterov momentum and a schedule that ends low.** Tuned with care, it has been found to generalise at least as well on images \[[24](#source-wilson2017)\]. With an $\varepsilon$ that drowns the root, Adam turns into SGD with dampened momentum: tuned widely enough, it contains the other \[[25](#source-choi2019)\]. So whoever finds one far behind may not have tuned it.
# - **Look at what it keeps.** Plain SGD keeps nothing, momentum one number for every weight, Adam two. For this network these are 6,344 and 12,688 bytes; for one that fills a GPU it decides.
# - **Rare features, one layer:** Adagrad \[[20](#source-duchi2011)\] or Ftrl \[[22](#source-mcmahan2013)\], which were made for them. Recurrent networks: RMSprop or Adam, with clipped gradients.
# - **Compare fairly:** the same number of rates tried for each, the same seeds, chosen by validation, and intervals. Where they say "cannot be told apart", take the one that you know.
#
# What this study cannot say is nearly everything else. It has not tuned its optimisers with equal budgets, it knows one small network and one data set, and its trainings end after five epochs. A fairer race, the same rates for each, is a study that comes with passo:

# %% [markdown]
# ```sh
# passo study run learning-rate
# passo compare learning-rate --by tuned --figure sensitivity
# ```

# %% [markdown]
# ## A published study, repeated
#
# A technical note that is public \[[26](#source-published)\] compared the same four optimisers on the whole of Fashion-MNIST, with the same network, in the footsteps of a book \[[27](#source-godoy2022)\]. It made 14 trainings and printed what came of each: one run, from one seed, without intervals. That is how most comparisons are published. What do such numbers tell?
#
# ### What it printed, and what it claims
#
# Its last validation losses were 0.5840 for plain SGD, 0.4836 for SGD with momentum, 0.4850 for SGD with Nesterov momentum, 0.5176 for Adam. The winner by these is SGD with momentum. Such a table is read as a set of claims: this optimiser beats that one, this schedule hurts. But a claim is a sentence about all seeds, and one seed can do no more than fail to contradict it.
#
# ### Would we have printed the same?
#
# Our three seeds make a small experiment of that. Suppose each of them had been the only one. All of them would have named SGD with Nesterov momentum. The published winner is not one that we would have printed. Four of the published claims concern optimisers that this study has trained as well, on images and at rates of its own:
#
# *Differences of the last validation loss, first minus second. The note: one seed, on the test split. Ours: paired by seed on images held back from training, 95 % intervals each by itself; p corrected by Holm for 4 claims, told apart at 0.05.*
#
# | claim | validation loss: published difference | ours | seeds | as claimed | p (Holm) | verdict |
# | --- | --- | --- | --- | --- | --- | --- |
# | momentum beats plain SGD | −0.1004 | −0.419 [−1.291, 0.452] | 3 | 3 of 3 | 0.523 | cannot be told; seeds needed: about 11 (4 or more) |
# | Nesterov's momentum and the plain one differ | +0.0014 | −0.0907 [−0.2180, 0.0367] | 3 | 3 of 3 | 0.368 | cannot be told; seeds needed: about 7 (4 or more) |
# | Adam beats plain SGD | −0.0664 | −0.374 [−1.384, 0.637] | 3 | 3 of 3 | 0.523 | cannot be told; seeds needed: about 17 (4 or more) |
# | SGD with momentum beats Adam | −0.0340 | −0.0456 [−0.2466, 0.1554] | 3 | 2 of 3 | 0.523 | cannot be told; seeds needed: about 39 (5 or more) |
#
# Of 4 claims, 0 hold over 3 seeds; not to be told: momentum beats plain SGD, Nesterov's momentum and the plain one differ, Adam beats plain SGD and SGD with momentum beats Adam. In the column *as claimed* watch how often a single seed would have borne out a claim that three seeds together cannot decide. Each difference is first minus second, so that a loss below zero speaks for the first; $p$ is corrected for the number of claims by Holm's method \[[28](#source-holm1979)\].
#
# ### The replication
#
# Whether the claims hold for the note's own settings, on all images, is a study of its own: the same 14 configurations over many seeds, judged claim by claim. It has not been run beside this note, so that there is nothing to say about it here. This runs it; the next time that this note is written, its verdicts stand in this place:

# %% [markdown]
# ```sh
# passo study run published-note
# ```

# %% [markdown]
# Before one asks whether a result holds, one should be able to get it: the very digits that were printed, which takes the same random stream, the same kernels and the same number of threads. That, too, is a command:

# %% [markdown]
# ```sh
# passo replicate --epochs-only 1 --runs optimisers-sgd
# ```

# %% [markdown]
# In theory everybody knows that one run is not a result; in practice more than one costs time. The middle way is to say how many there were, and to let the words follow.

# %% [markdown]
# ## What was learned
#
# This is everything that was trained, and the sentences that we take with us. Their numbers are from this run, and their words were chosen by them.
#
# *Every configuration, by its mean test accuracy; ± is half of the interval.*
#
# | configuration | settings | test accuracy | test loss | last training loss |
# | --- | --- | --- | --- | --- |
# | Nesterov under OneCycleLR | η 0.03, μ 0.9, `OneCycleLR` (max_lr 0.06) | 77.2 ± 4.7 % | 0.627 ± 0.050 | 0.580 ± 0.043 |
# | Nesterov under StepLR | η 0.03, μ 0.9, `StepLR` (step_size 2 epochs, gamma 0.3) | 76.1 ± 4.8 % | 0.656 ± 0.106 | 0.602 ± 0.071 |
# | Nesterov under ReduceLROnPlateau | η 0.03, μ 0.9, `ReduceLROnPlateau` (factor 0.3, patience 0, threshold 0.05) | 75.7 ± 5.3 % | 0.678 ± 0.096 | 0.587 ± 0.049 |
# | SGD with Nesterov momentum | η 0.03, μ 0.9 | 75.5 ± 5.7 % | 0.664 ± 0.096 | 0.605 ± 0.082 |
# | Adam at its range test's rate | η 0.013 | 75.4 ± 9.0 % | 0.673 ± 0.140 | 0.613 ± 0.119 |
# | RMSprop | η 0.003 | 74.8 ± 1.6 % | 0.697 ± 0.022 | 0.642 ± 0.104 |
# | Nesterov and CyclicLR `triangular2` | η 0.007, μ 0.9, `CyclicLR` (base_lr 0.007, max_lr 0.07, step_size_up 1 epoch, mode triangular2) | 74.7 ± 4.7 % | 0.687 ± 0.057 | 0.603 ± 0.066 |
# | PyTorch's momentum under StepLR | η 0.03, μ 0.9, `StepLR` (step_size 2 epochs, gamma 0.1) | 73.6 ± 3.6 % | 0.709 ± 0.045 | 0.679 ± 0.086 |
# | Adam | η 0.003 | 73.2 ± 8.1 % | 0.741 ± 0.076 | 0.748 ± 0.171 |
# | AdamW | η 0.003, λ 0.01 | 72.9 ± 7.9 % | 0.739 ± 0.077 | 0.749 ± 0.169 |
# | SGD with momentum | η 0.03, μ 0.9 | 72.8 ± 5.7 % | 0.740 ± 0.098 | 0.661 ± 0.130 |
# | Nesterov under CyclicLR | η 0.03, μ 0.9, `CyclicLR` (base_lr 0.003, max_lr 0.06, step_size_up 1 epoch, mode triangular) | 72.8 ± 1.2 % | 0.758 ± 0.171 | 0.656 ± 0.204 |
# | Adam with a short β₂ | η 0.003, β₁ 0.9, β₂ 0.9 | 72.2 ± 5.5 % | 0.752 ± 0.067 | 0.751 ± 0.176 |
# | Adadelta with PyTorch's defaults | η 1 | 71.7 ± 1.8 % | 0.765 ± 0.111 | 0.724 ± 0.143 |
# | Adam without β₁ | η 0.003, β₁ 0, β₂ 0.999 | 70.9 ± 1.5 % | 0.805 ± 0.151 | 0.755 ± 0.171 |
# | Keras' momentum under StepLR | η 0.03, μ 0.9, `StepLR` (step_size 2 epochs, gamma 0.1) | 70.9 ± 5.5 % | 0.783 ± 0.183 | 0.758 ± 0.202 |
# | Adagrad with PyTorch's defaults | η 0.01 | 70.4 ± 2.0 % | 0.838 ± 0.088 | 0.838 ± 0.148 |
# | Adam with PyTorch's defaults | η 0.001 | 69.1 ± 0.7 % | 0.852 ± 0.079 | 0.887 ± 0.165 |
# | Adam with Keras' defaults | η 0.001 | 69.0 ± 0.6 % | 0.852 ± 0.076 | 0.887 ± 0.162 |
# | RMSprop with Keras' defaults | η 0.001 | 68.0 ± 1.7 % | 0.888 ± 0.099 | 0.908 ± 0.129 |
# | SGD with dampened momentum | η 0.03, μ 0.9, τ 0.9 | 66.6 ± 8.1 % | 0.888 ± 0.194 | 0.928 ± 0.178 |
# | Adam with a large ε | η 0.003, ε 0.1 | 63.8 ± 3.2 % | 0.983 ± 0.267 | 1.067 ± 0.445 |
# | Plain SGD | η 0.03 | 62.1 ± 15.6 % | 1.125 ± 0.973 | 0.941 ± 0.182 |
# | RMSprop with PyTorch's defaults | η 0.01 | 61.5 ± 20.3 % | 1.025 ± 0.379 | 0.928 ± 0.457 |
# | SGD with Keras' defaults | η 0.01 | 42.1 ± 36.4 % | 1.593 ± 1.028 | 1.706 ± 0.942 |
# | Adagrad with Keras' defaults | η 0.001 | 16.4 ± 15.6 % | 2.256 ± 0.187 | 2.261 ± 0.168 |
# | SGD with PyTorch's defaults | η 0.001 | 10.2 ± 9.2 % | 2.300 ± 0.068 | 2.300 ± 0.062 |
# | Ftrl with Keras' defaults | η 0.001 | 10.0 ± 0.0 % | 2.303 ± 0.000 | 2.303 ± 0.000 |
# | Adadelta with Keras' defaults | η 0.001 | 9.0 ± 9.2 % | 2.319 ± 0.026 | 2.318 ± 0.024 |
#
# - **One smoothing, four names.** α, β, periods and average age say the same thing. $\beta = 0.9$ remembers 19 periods, $\beta = 0.999$ remembers 1,999; the whole training has 215 steps.
# - **Bias correction ends when its memory is full, not before.** At the last step of this training it multiplied $v_t$ by 5.17.
# - **Adam's step is a sign times an agreement.** The first step has the size of the learning rate; after that, half of the steps of `conv1.weight[0, 0, 2, 2]` were smaller than 38 % of it.
# - **ε is a dial, not a decimal.** Adam with a large ε reaches a lower test accuracy than Adam (−9.3 points, interval −18.1 to −0.6).
# - **Momentum smooths, and it lengthens the step.** Dampening takes the second away: SGD with dampened momentum cannot be told apart in test accuracy from SGD with momentum (−6.2 points, interval −19.9 to 7.5).
# - **Nesterov's step is the momentum step of one step later.** SGD with Nesterov momentum reaches a higher test accuracy than SGD with momentum (+2.7 points, interval 0.1 to 5.3).
# - **Ask a scheduler when it steps** before you ask for its curve.
# - **A name is not a setting.** Of five names with the defaults of two libraries, two can be told apart by their results; with all arguments equal, the step after a drop of the rate is 11 % of those before it in PyTorch and 144 % in Keras.
# - **The rate comes before the name.** `adadelta` alone moves by 63 points with its rate; five optimisers, each at its best, lie 13 points apart.
# - **One seed prints a number, not a result.** Of four published claims, none can be borne out by the three seeds of this study, none contradicted, and four not decided.
# - **The equations account for every step:** 1,720 watched steps, worst residual 2.8 roundings.
#
# ### What the loss measures
#
# All these trainings minimise the cross-entropy, so a last word on what that is. A label is a distribution $p$ over the ten classes, with all of its weight on one. A prediction is another distribution, $q$. The cross-entropy splits into two parts:
#
# $$
# H(p, q) = -\sum_c p_c \log q_c = H(p) + \mathrm{KL}(p \,\|\, q) \tag{18}
# $$
#
# The first part is the uncertainty of the label itself, which is zero. What remains is the Kullback–Leibler divergence: how far the prediction lies from the truth. (It is not a distance in the strict sense \[[29](#source-kullback1951)\], since it is not the same in both directions. But it is zero only where the two agree.) With one-hot labels it is simply $-\log q_y$, the surprise at the true class.
#
# <a id="figure-cross-entropy"></a>

# %%
show("cross-entropy")

# %% [markdown]
# **Figure 21.** Test predictions of adam-final-s0. Left: the mean predicted distribution for each true class, in percent (from 0.5 % on). Right: cross-entropy H(p, q) = KL(p ‖ q), for a label's own entropy is 0; dashed, a uniform guess.

# %% [markdown]
# For `adam-final`, seed 0, the mean over the test images is 0.659 nats; somebody who knows nothing and gives every class the same probability pays $\log 10$, which is 2.303. Put differently: the probability that the network gives to the true class is 51.7 %, as a geometric mean. The bill is not shared evenly. The tenth of the images that are predicted worst causes 44 % of it, and the weight that is misplaced most goes from *Coat* to *Pullover*.
#
# The predictions also have an entropy of their own: 0.600 nats on average. That is the loss that the network *expects* of itself. What it pays is about that: it knows rather well how much it knows. Its mean confidence is 76.1 %, its accuracy 74.2 %.
#
# ### What this note does not say
#
# Three seeds, five epochs, one data set and one small network cannot rank optimisers, and what is true of 1,586 weights need not be true of many more. Learning rates were set by hand, except where the range test chose them, so a configuration may have lost by its rate and not by its idea. Every comparison stands alone: with 95 % intervals and many pairs, about one in 20 pairs of equals would look different by chance. And the microscope follows one weight in the charts, of the first seed; the statistics and the residual cover all of them.
#
# ### Look for yourself
#
# The study folder holds every number used here. You can open it without PyTorch, and change what you like:

# %%
import passo

study = passo.open("passo-runs/optimizers")
print(passo.compare(study).table())  # with intervals
passo.draw("adapted-gradients", study).chart  # any figure, by name

# %% [markdown]
# (This one is called `optimizers`.) Or change one thing and run it again, say on all images, or with more epochs. The numbers will change, and so will the words:

# %% [markdown]
# ```sh
# passo note optimizers --dataset fashion-mnist
# passo note optimizers --set epochs=20
# ```

# %% [markdown]
# ## Sources
#
# 7. <a id="source-torch"></a>PyTorch documentation, “torch.optim”, pytorch.org/docs.
# 17. <a id="source-smith2017"></a>L. N. Smith, “Cyclical learning rates for training neural networks”, *WACV*, 2017.
# 19. <a id="source-keras"></a>Keras documentation, “Optimizers”, keras.io/api/optimizers.
# 20. <a id="source-duchi2011"></a>J. Duchi, E. Hazan, Y. Singer, “Adaptive subgradient methods”, *JMLR* 12, 2011.
# 21. <a id="source-zeiler2012"></a>M. D. Zeiler, “ADADELTA: an adaptive learning rate method”, arXiv:1212.5701, 2012.
# 22. <a id="source-mcmahan2013"></a>H. B. McMahan et al., “Ad click prediction: a view from the trenches”, *KDD*, 2013.
# 23. <a id="source-schmidt2021"></a>R. M. Schmidt, F. Schneider, P. Hennig, “Descending through a crowded valley: benchmarking deep learning optimizers”, *ICML*, 2021.
# 24. <a id="source-wilson2017"></a>A. C. Wilson et al., “The marginal value of adaptive gradient methods in machine learning”, *NeurIPS*, 2017.
# 25. <a id="source-choi2019"></a>D. Choi et al., “On empirical comparisons of optimizers for deep learning”, arXiv:1910.05446, 2019.
# 26. <a id="source-published"></a>Technical note on Fashion-MNIST, public repository *JuliaAlanne/MLOps*, Unidade 3.
# 27. <a id="source-godoy2022"></a>D. V. Godoy, *Deep Learning with PyTorch Step-by-Step*, 2022.
# 28. <a id="source-holm1979"></a>S. Holm, “A simple sequentially rejective multiple test procedure”, *Scand. J. Statistics* 6, 1979.
# 29. <a id="source-kullback1951"></a>S. Kullback, R. A. Leibler, “On information and sufficiency”, *Ann. Math. Statistics* 22, 1951.
