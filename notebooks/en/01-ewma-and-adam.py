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
# # 01 EWMA & Adam
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
# ## EWMA meets gradients
#
# A gradient computed from 64 images is an opinion about the true gradient, not the thing itself. The next 64 images have another opinion. Take one weight, `conv1.weight[0, 0, 2, 2]`, in the run `adam` of seed 0: its gradient changes sign at 27 % of all steps, and its standard deviation is 1.2 times its mean. Nobody would steer by one such reading. So optimisers average. The question is how: how long should the memory be, what does it cost, and what is wrong with its beginning?
#
# ### Two ways to remember
#
# The **moving average** keeps the last $N$ values and forgets everything older at once:
#
# $$
# \bar g_t = \frac{1}{N} \sum_{k=0}^{N-1} g_{t-k} \tag{1}
# $$
#
# Here $g_t$ is the gradient of mini-batch $t$, and $\bar g_t$ the average after it.
#
# The **exponentially weighted moving average**, EWMA for short, never quite forgets \[[5](#source-hunter1986)\]. It needs no list of old values, only its own last result:
#
# $$
# m_t = \beta\, m_{t-1} + (1-\beta)\, g_t = (1-\beta) \sum_{k=0}^{t-1} \beta^k g_{t-k} \tag{2}
# $$
#
# Here $m_t$ is the average after step $t$, and $\beta$, between $0$ and $1$, is the share of the past that is kept. Some libraries ask for $\alpha = 1-\beta$ instead, the share of the newest value: the same thing, seen from the other end. The sum on the right is the recursion, unrolled. It shows the weights: a value that is $k$ steps old counts $(1-\beta)\,\beta^k$. [Figure 1](#figure-ewma-weights) draws both by age; watch where the two cross, and how much of the EWMA lies beyond the window.
#
# <a id="figure-ewma-weights"></a>

# %%
show("ewma-weights")

# %% [markdown]
# **Figure 1.** Weight by age: a moving average forgets all at once, an EWMA little by little.

# %% [markdown]
# How do we compare a memory that ends with one that fades? By the **average age** of what it holds, counting today's value as one step old. In a moving average the ages run from one to $N$, so the mean is $(N+1)/2$. In an EWMA it is
#
# $$
# \sum_{k=0}^{\infty} (k+1)\,(1-\beta)\,\beta^k = \frac{1}{1-\beta} \tag{3}
# $$
#
# Set the two equal and you get the rule that translates one into the other:
#
# $$
# N = \frac{1+\beta}{1-\beta} \tag{4}
# $$
#
# So the usual $\beta_1 = 0.9$ remembers like a moving average over 19 steps, and the usual $\beta_2 = 0.999$ like one over 1,999. That is a long time: the whole training here has 215 steps. The same $N$ also says how much noise is left. If the values were independent, either average would shrink their standard deviation to $1/\sqrt{N}$ of what it was. One number, two meanings: how old the news is, and how calm.
#
# *The same smoothing under its four names, and how long its bias lasts.*
#
# | β | α = 1 − β | periods N | average age | first correction | steps until it is under 1 % |
# | --- | --- | --- | --- | --- | --- |
# | 0.9 | 0.1 | 19 | 10 | 10 times | 44 |
# | 0.999 | 0.001 | 1,999 | 1,000 | 1,000 times | 4,603 |
#
# <a id="figure-ewma-series"></a>

# %%
show("ewma-series")

# %% [markdown]
# **Figure 2.** The mini-batch loss of sgd-s0 and two averages of 19 periods.

# %% [markdown]
# [Figure 2](#figure-ewma-series) shows both on a series that everybody who trains has stared at: the loss of each mini-batch. The EWMA answers to a change at once, and a little at a time. The moving average answers evenly, and drops each value with a jolt when it leaves the window. It has nothing to say before its window is full; the EWMA speaks from the first step on, which is the next difficulty.

# %%
import numpy as np

losses = np.random.default_rng(0).random(100)

# %%
import passo

passo.Smoothing(beta=0.9)  # the same memory as α, periods N and average age
smooth = passo.ewma(losses, beta=0.9, bias_correction=True)
even = passo.moving_average(losses, 19)

# %%
assert round(passo.Smoothing(beta=0.9).periods) == 19
assert len(smooth) == len(even) == len(losses)

# %% [markdown]
# ### The first steps are wrong, and how that is put right
#
# An EWMA has to start somewhere, and it starts at $m_0 = 0$. That zero is not data, yet it takes part in the average. After $t$ steps the weights of the real values add up to only $1-\beta^t$, so if the gradients have mean $\mathbb{E}[g]$,
#
# $$
# \mathbb{E}[m_t] = (1-\beta^t)\,\mathbb{E}[g] \tag{5}
# $$
#
# which is too small by a factor that we know exactly. So we divide by it:
#
# $$
# \hat m_t = \frac{m_t}{1-\beta^t} \tag{6}
# $$
#
# At the first step this multiplies by $1/(1-\beta)$: by 10 for $\beta_1$, by 1,000 for $\beta_2$. Then it fades, with the first quickly and with the second not: as the table says, $\beta_2$ takes 4,603 steps until less than one percent of bias is left. The training in this note ends at step 215, where the correction still multiplies $v_t$ by 5.17. [Figure 3](#figure-ewma-bias) shows the two memories before and after: watch for how long the line that starts at zero stays below. Bias correction is often called a detail of the first few steps. Here it is at work from the first step to the last.
#
# <a id="figure-ewma-bias"></a>

# %%
show("ewma-bias")

# %% [markdown]
# **Figure 3.** The first 100 gradients of conv1.weight\[0, 0, 2, 2\] in adam-s0; gradients beyond the frame are cut.

# %% [markdown]
# ### Now with real gradients
#
# <a id="figure-ewma-gradients"></a>

# %%
show("ewma-gradients")

# %% [markdown]
# **Figure 4.** Gradient and squared gradient of conv1.weight\[0, 0, 2, 2\] in adam-s0, with Adam's bias-corrected averages.

# %% [markdown]
# [Figure 4](#figure-ewma-gradients) is the same arithmetic on the gradient of `conv1.weight[0, 0, 2, 2]`: above, the gradient and what $\beta_1$ makes of it; below, its square and what $\beta_2$ makes of that. Watch what survives. Averaging with $\beta_1$ leaves 66 % of its standard deviation, and the sign now changes at 0 % of the steps instead of 27 %. Had the gradients been independent noise, $1/\sqrt{N}$ says that 23 % would be left. More than that is left: successive mini-batches agree with each other more than chance would have them do. What survives the averaging is the part worth following.
#
# Here theory and practice part in a second way, too. Theory averages many opinions about one gradient. In a training the weights move on, so that the old part of an average is news from another place. A memory costs more than patience: it costs staleness.
#
# To see how far back the averages of this run look, in steps and as shares of the training:

# %% [markdown]
# ```sh
# passo inspect optimizers/adam-s0 --figure betas
# ```

# %% [markdown]
# ## Adam
#
# What would an optimiser do that knew, for every weight by itself, how far its gradients can be trusted? Adam \[[6](#source-kingma2015)\] is an answer in two averages. The first, $m$, is of the gradient: where to go. The second, $v$, is of its square: how large such gradients usually are. The step is the first, measured in units of the square root of the second.
#
# $$
# \begin{aligned}
# m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t \\
# v_t &= \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2 \\
# \hat m_t &= m_t / (1-\beta_1^t) \\
# \hat v_t &= v_t / (1-\beta_2^t) \\
# \theta_t &= \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon}
# \end{aligned} \tag{7}
# $$
#
# Here $\theta$ is a weight and $g_t$ its gradient at step $t$, counted from one; $m$ and $v$ start at zero, and the hats take that zero out again; $\eta$ is the learning rate, here 0.003; $\beta_1$, $\beta_2$ are the two memories and $\varepsilon$ keeps the fraction finite. All of it happens to every weight separately. These are PyTorch's definitions \[[7](#source-torch)\], and in Python they are no longer than on paper:

# %%
import torch

torch.manual_seed(0)
start = torch.randn(1000)
gradients = [torch.randn(1000) for _ in range(50)]
theta, lr, beta1, beta2, eps = start.clone(), 0.001, 0.9, 0.999, 1e-8

# %%
m, v = torch.zeros_like(theta), torch.zeros_like(theta)
for t, g in enumerate(gradients, start=1):
    m = beta1 * m + (1 - beta1) * g  # where to go
    v = beta2 * v + (1 - beta2) * g**2  # how large gradients usually are
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (v_hat.sqrt() + eps)

# %%
weight = torch.nn.Parameter(start.clone())
adam = torch.optim.Adam([weight], lr=lr, betas=(beta1, beta2), eps=eps)
for g in gradients:
    weight.grad = g
    adam.step()
assert torch.allclose(theta, weight, atol=1e-6)
assert not torch.allclose(start, weight, atol=1e-3)

# %% [markdown]
# Nothing teaches them like doing the sums once. The next table follows one weight through its first steps. Every column is as the microscope recorded it, and you can check each of them with a pocket calculator.
#
# *Adam's bookkeeping for `conv1.weight[0, 0, 2, 2]`, as recorded; the learning rate is 0.003.*
#
# | step | $g_t$ | $m_t$ | $v_t$ | $\hat m_t$ | $\hat v_t$ | $\hat m_t / (\sqrt{\hat v_t} + \varepsilon)$ | $\Delta\theta_t$ |
# | --- | --- | --- | --- | --- | --- | --- | --- |
# | 1 | 0.00622 | 6.22 × 10⁻⁴ | 3.87 × 10⁻⁸ | 0.00622 | 3.87 × 10⁻⁵ | 1 | −0.003 |
# | 2 | 0.00677 | 0.00124 | 8.46 × 10⁻⁸ | 0.00651 | 4.23 × 10⁻⁵ | 1 | −0.003 |
# | 3 | 0.0141 | 0.00253 | 2.84 × 10⁻⁷ | 0.00932 | 9.48 × 10⁻⁵ | 0.958 | −0.00287 |
# | 10 | 0.163 | 0.0546 | 7.35 × 10⁻⁵ | 0.0838 | 0.00738 | 0.975 | −0.00292 |
# | 215 | 0.0904 | 0.0216 | 3.97 × 10⁻⁴ | 0.0216 | 0.00205 | 0.476 | −0.00143 |
#
# Look at step one. There $\hat m_1 = g_1$ and $\hat v_1 = g_1^2$, so the fraction is $g_1/(|g_1|+\varepsilon)$: nothing but the sign. **Adam's first step has the size of the learning rate, whatever the size of the gradient.** For this weight the recorded ratio of step to learning rate is 1.0000.
#
# Later the fraction is a measure of agreement. If the gradients of a weight are all alike, $\hat m$ is as large as $\sqrt{\hat v}$ and the step is a full $\eta$. If they contradict each other, $\hat m$ shrinks, $\sqrt{\hat v}$ does not, and the weight hardly moves. Over this run half of the steps of `conv1.weight[0, 0, 2, 2]` were smaller than 38 % of $\eta$.
#
# Theory gives the fraction two ends \[[8](#source-balles2018)\]. A gradient that never changes makes the fraction one. Gradients that are nothing but noise make it $\sqrt{(1-\beta_1)/(1+\beta_1)}$ in the root mean square, here 23 %. Over all of `conv1.weight` and all steps we measure 50 %: more than noise would give, so that there is a direction in these gradients which outlasts a mini-batch.
#
# ### Taking it apart
#
# What is each part good for, and how does it steady the training? We change one at a time. In [Figure 5](#figure-adam-apart) watch which line leaves the others, and whether it does so at the start, where the averages are young, or at the end.
#
# <a id="figure-adam-apart"></a>

# %%
show("adam-apart")

# %% [markdown]
# **Figure 5.** Validation loss of Adam, and of Adam with β₁ = 0, β₂ = 0.9 or ε = 0.1. Lines are means over seeds, bands their 95 % intervals; bands wider than the frame are cut.

# %% [markdown]
# *Test accuracy, and the paired difference to Adam.*
#
# | configuration | settings | test accuracy | difference | verdict |
# | --- | --- | --- | --- | --- |
# | Adam | η 0.003 | 73.2 ± 8.1 % |  |  |
# | Adam without β₁ | η 0.003, β₁ 0, β₂ 0.999 | 70.9 ± 1.5 % | −2.3 points, interval −10.9 to 6.3 | not distinguishable |
# | Adam with a short β₂ | η 0.003, β₁ 0.9, β₂ 0.9 | 72.2 ± 5.5 % | −0.9 points, interval −3.7 to 1.8 | not distinguishable |
# | Adam with a large ε | η 0.003, ε 0.1 | 63.8 ± 3.2 % | −9.3 points, interval −18.1 to −0.6 | lower |
# | AdamW | η 0.003, λ 0.01 | 72.9 ± 7.9 % | −0.3 points, interval −1.1 to 0.5 | not distinguishable |
# | RMSprop | η 0.003 | 74.8 ± 1.6 % | +1.6 points, interval −6.7 to 10.0 | not distinguishable |
#
# **Without $\beta_1$** the numerator is the raw gradient of the last mini-batch; only its size is still adapted. Adam without β₁ cannot be told apart in test accuracy from Adam (−2.3 points, interval −10.9 to 6.3). `RMSprop` \[[9](#source-tieleman2012)\] is the older sibling of this variant: no first average either, its own decay $\alpha = 0.99$ for the squares, and no bias correction. RMSprop reaches a higher test accuracy than Adam without β₁ (+3.9 points, interval 0.9 to 6.9).
#
# **With a short $\beta_2 = 0.9$** the denominator remembers 19 periods instead of 1,999. It follows every burst of large gradients, and forgets it as fast. Adam with a short β₂ cannot be told apart in test accuracy from Adam (−0.9 points, interval −3.7 to 1.8).
#
# **With $\varepsilon = 0.1$** we turn up the part that nobody looks at. Usually $\varepsilon$, at 10⁻⁸, only keeps the division safe. What it is to be held against is $\sqrt{\hat v}$, whose median for `conv1.weight[0, 0, 2, 2]` in this run is 0.07. So $\varepsilon$ is not small any more, and pulls every fraction towards zero: for the same gradients, each step is shorter than Adam would have it. (A training that is slower does not have the same gradients: they stay larger for longer.) Adam with a large ε reaches a lower test accuracy than Adam (−9.3 points, interval −18.1 to −0.6). Adam with a large ε cannot be told apart in test accuracy from SGD with dampened momentum (−2.8 points, interval −8.5 to 3.0).
#
# **AdamW** \[[10](#source-loshchilov2019)\] adds weight decay, but keeps it out of the averages: first $\theta \leftarrow \theta - \eta\lambda\theta$, then Adam's step. If the decay were part of the gradient it would be divided by $\sqrt{\hat v}$ like everything else, and weights with large gradients would be decayed least. With $\lambda = 0.01$ and this learning rate, decay alone would leave 99.36 % of a weight after the 215 steps of this training. AdamW cannot be told apart in test accuracy from Adam (−0.3 points, interval −1.1 to 0.5).
#
# In sum: of five variants, one can be told apart from Adam by test accuracy on these data. For the others the honest answer is that a longer training, or more seeds, would be needed to say.
#
# So the parts can be told apart on paper, step by step and to the last digit; by the result of a training as short as this one, only some of them. To see one step of one weight with all of its numbers put into the equation, and to try an $\varepsilon$ in between:

# %% [markdown]
# ```sh
# passo inspect optimizers/adam-s0 --parameter conv1.weight --step 3
# passo train dataset=fashion-mnist-sample model=tiny-cnn optimizer=adam optimizer.lr=0.003 optimizer.eps=0.001 epochs=5
# ```

# %% [markdown]
# ## Visualising adapted gradients
#
# What is it that the learning rate multiplies? Not the gradient: that was averaged, corrected and scaled on the way. The quantity deserves a name of its own, the *adapted gradient*. It is not an average of gradients, nor of their sizes:
#
# $$
# u_t = \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon}, \qquad \Delta\theta_t = -\eta\, u_t \tag{8}
# $$
#
# Plots with that label sometimes show something else, for instance an average of $|g_t|$. It is easy to tell the two apart: the adapted gradient has a sign, and has no unit. With a letter for what happened, $\Delta\theta_t = \theta_t - \theta_{t-1}$ is the *update*, the weight after the step minus the weight before it.
#
# <a id="figure-adapted-gradients"></a>

# %%
show("adapted-gradients")

# %% [markdown]
# **Figure 6.** conv1.weight\[0, 0, 2, 2\] in adam-s0, step by step: the gradient and its corrected EWMA m̂; the factor 1/(√v̂ + ε) that scales it (log scale); the adapted gradient, their product, and θ after minus θ before, measured, over −lr.

# %% [markdown]
# Read [Figure 6](#figure-adapted-gradients) from top to bottom: the gradient of one weight with its bias-corrected average $\hat m$; the factor $1/(\sqrt{\hat v}+\varepsilon)$ that scales it; and the product of the two, on which the measured update lies. Watch the middle panel, where nothing has a sign: it alone decides how much a gradient of a given size is worth, and after the first steps it changes slowly, as its long memory must. And mind the vertical scales. The gradient of this weight has a standard deviation of 0.035; the adapted gradient one of 0.28, and it is never larger than 1.02.
#
# Is it the same for all weights of the tensor `conv1.weight`? From the first fifth of the training to the last, the root mean square of its gradient goes to 41 % of what it was, and that of the adapted gradient to 29 %. Here the adapted gradient changes more than the gradient itself: its size follows how well successive gradients agree, and this agreement changed in the course of the training.
#
# ### The residual: do we have the right to say all this?
#
# A chart of $\hat m$ and $\hat v$ proves nothing by itself. We might have copied an equation wrongly, or watched at the wrong moment. So at every step the microscope measures what happened, $\theta_t - \theta_{t-1}$, subtracts what the equations say should have happened (for AdamW with its decay), and keeps what is left:
#
# $$
# r_t = (\theta_t - \theta_{t-1}) - (-\eta\, u_t) \tag{9}
# $$
#
# PyTorch's own optimiser did the work; our equations only explain it. If they explain it fully, the residual is nothing but rounding. A weight near one is stored with a spacing of 1.19 × 10⁻⁷, so this is the yardstick: we give the residual in *roundings*, multiples of that spacing at the size of the weight or its step.
#
# *Updates and residuals of `conv1.weight[0, 0, 2, 2]`, and the worst residual of all weights.*
#
# | run | steps | median update | largest residual | worst of all weights, in roundings |
# | --- | --- | --- | --- | --- |
# | Plain SGD | 215 | 0.0012 | 1.5 × 10⁻⁸ | 1.0 |
# | SGD with momentum | 215 | 0.0026 | 1.5 × 10⁻⁸ | 1.0 |
# | SGD with dampened momentum | 215 | 0.0013 | 1.5 × 10⁻⁸ | 1.0 |
# | SGD with Nesterov momentum | 215 | 0.0021 | 1.5 × 10⁻⁸ | 1.0 |
# | Adam | 215 | 0.0011 | 1.5 × 10⁻⁸ | 2.5 |
# | Adam with a large ε | 215 | 0.0011 | 1.5 × 10⁻⁸ | 2.2 |
# | AdamW | 215 | 0.0011 | 3.6 × 10⁻⁸ | 2.8 |
# | Nesterov under CyclicLR | 215 | 0.0026 | 1.4 × 10⁻⁸ | 1.0 |
#
# Over 1,720 watched steps of the runs in this table, and all 1,586 weights of each, the worst residual is 2.8 roundings. The equations above are what the optimisers do. There is no room left for anything else.
#
# Here, then, theory and practice do not part at all: what differs in the other sections is never the arithmetic, but what the gradients put into it. The three panels can be had for every weight of every layer, and the proof for any other optimiser:

# %% [markdown]
# ```sh
# passo inspect optimizers/adam-s0 --figure stages --parameter fc2.weight
# passo proof rmsprop
# ```

# %% [markdown]
# ## Sources
#
# 5. <a id="source-hunter1986"></a>J. S. Hunter, “The exponentially weighted moving average”, *J. Quality Technology* 18, 1986.
# 6. <a id="source-kingma2015"></a>D. P. Kingma, J. Ba, “Adam: a method for stochastic optimization”, *ICLR*, 2015.
# 7. <a id="source-torch"></a>PyTorch documentation, “torch.optim”, pytorch.org/docs.
# 8. <a id="source-balles2018"></a>L. Balles, P. Hennig, “Dissecting Adam: the sign, magnitude and variance of stochastic gradients”, *ICML*, 2018.
# 9. <a id="source-tieleman2012"></a>T. Tieleman, G. Hinton, “Lecture 6.5: RMSprop”, *Neural Networks for Machine Learning*, 2012.
# 10. <a id="source-loshchilov2019"></a>I. Loshchilov, F. Hutter, “Decoupled weight decay regularization”, *ICLR*, 2019.
