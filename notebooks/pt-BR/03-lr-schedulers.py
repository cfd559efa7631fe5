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
# # 03 Agendadores da taxa de aprendizado
#
# Parte da nota *Um passo de cada vez*: O que médias, momento, passos adaptativos e agendas da taxa de aprendizado fazem com um gradiente: observado em cada passo de pequenos treinos com imagens reais.
#
# No Colab: *Arquivo → Fazer upload de notebook*. No Kaggle: *Create → Notebook*, depois *File → Import notebook*.
#
# > Tudo aqui foi treinado com a amostra embutida de 3.000 imagens reais e testado com 1.000, para rodar em qualquer máquina em cerca de um minuto. Por isso as acurácias são menores, e as diferenças entre três sementes maiores, do que com o conjunto completo: `passo note optimizers --dataset fashion-mnist --lang pt-BR` escreve esta nota com todos os dados.

# %%
# Instala o passo onde ele falta; o torch que já existe é mantido.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("passo") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "passo[notes]"], check=True)

# %%
# Estudos e figuras ficam aqui. No Colab, para guardá-los no Drive:
#   from google.colab import drive; drive.mount("/content/drive"); OUT = Path("/content/drive/MyDrive/passo")
import os
from pathlib import Path

OUT = Path(".")
OUT.mkdir(parents=True, exist_ok=True)
os.chdir(OUT)

# %%
import passo

study = passo.study("optimizers").run()  # meio minuto; o que já existe não é executado de novo

# %%
from passo.language import speaking


def show(name):
    with speaking("pt-BR"):
        figure = passo.draw(name, study)
    figure.save("figures")  # PNG, SVG
    print(figure.sentence)
    return figure


# %% [markdown]
# ## Agendadores da taxa de aprendizado
#
# Uma taxa de aprendizado boa no começo, longe de qualquer mínimo, raramente é boa no fim, perto de um, onde cada passo é ruído em torno de um ponto. Um agendador a muda no caminho. O PyTorch oferece muitos \[[7](#source-torch)\], e a primeira pergunta a fazer de cada um não é como é sua curva, e sim *quando ele dá seus passos*. Há três respostas.
#
# **Depois de cada época.** `StepLR`, `MultiStepLR`, `LambdaLR`, `ExponentialLR` e `CosineAnnealingLR` contam épocas. Com $\eta_0$ a primeira taxa de aprendizado, $n$ as épocas feitas, $s$ o tamanho do degrau e $\gamma$ o fator, ou com $T$ épocas de cosseno até $\eta_{\min}$ \[[16](#source-loshchilov2017)\]:
#
# $$
# \eta_n = \eta_0\, \gamma^{\lfloor n/s \rfloor}, \qquad \eta_n = \eta_{\min} + \frac{\eta_0 - \eta_{\min}}{2} \left(1 + \cos \frac{\pi n}{T}\right) \tag{13}
# $$
#
# `ExponentialLR` é o primeiro desses com $s = 1$; `MultiStepLR` recebe a lista das épocas em vez de contá-las; `LambdaLR` multiplica $\eta_0$ por uma função qualquer de $n$.
#
# **Depois de cada validação.** `ReduceLROnPlateau` não segue plano nenhum. Ele recebe a perda de validação e, quando ela não melhora por mais épocas do que sua paciência permite, multiplica a taxa por um fator.
#
# **Depois de cada mini-lote.** `CyclicLR` \[[17](#source-smith2017)\] e `OneCycleLR` \[[18](#source-smith2018)\] movem a taxa para cima e para baixo entre dois limites, um pouco a cada passo. Com $k$ os mini-lotes feitos e $s$ meio ciclo:
#
# $$
# \eta_k = \eta_{\min} + (\eta_{\max} - \eta_{\min})\, \max(0,\, 1 - |k/s - 2c + 1|), \qquad c = \lfloor 1 + k/(2s) \rfloor \tag{14}
# $$
#
# O modo `triangular2` reduz à metade a altura do triângulo a cada ciclo $c$. `exp_range` a encolhe por um fator $\gamma$ a cada passo. `triangular` a deixa como está.
#
# Num laço próprio, os três tipos ficam em três lugares diferentes. Pôr um deles no lugar errado não gera erro nenhum. Só faz uma outra agenda.

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
        cyclic.step()  # a cada mini-lote: CyclicLR, OneCycleLR
    step_lr.step()  # a cada época: StepLR, ExponentialLR, …
    plateau.step(validation_loss())  # a cada validação: ReduceLROnPlateau

# %%
assert cyclic.last_epoch == epochs * len(batches)
assert step_lr.last_epoch == len(moments) == epochs

# %% [markdown]
# Há também os que podem as duas coisas: `CosineAnnealingWarmRestarts` aceita frações de época. O laço de treino do `passo` sabe o que cada agendador quer e o aciona nesse momento. Também pode desenhar qualquer um deles antes de se treinar o que quer que seja.
#
# ### As curvas, antes de qualquer treino
#
# Na [Figura 11](#figure-schedule-shapes), a forma é a última coisa a observar. Primeiro, a largura dos degraus, que diz quem tem de chamar o agendador; depois, onde a curva termina, pois é com essa taxa que os pesos são testados.
#
# <a id="figure-schedule-shapes"></a>

# %%
show("schedule-shapes")

# %% [markdown]
# **Figura 11.** As agendas antes do uso: a taxa de aprendizado em cada mini-lote, dos próprios agendadores do torch.

# %% [markdown]
# *Quando cada agenda dá seus passos.*
#
# | agenda | passos | primeira taxa | maior | última |
# | --- | --- | --- | --- | --- |
# | `StepLR` | depois de cada época | 0,1 | 0,1 | 0,013 |
# | `MultiStepLR` | depois de cada época | 0,1 | 0,1 | 0,013 |
# | `LambdaLR` | depois de cada época | 0,1 | 0,1 | 0,027 |
# | `ExponentialLR` | depois de cada época | 0,1 | 0,1 | 0,013 |
# | `CosineAnnealingLR` | depois de cada época | 0,1 | 0,1 | 0,0024 |
# | `ReduceLROnPlateau` | depois de cada validação | 0,1 | 0,1 | 0,025 |
# | `CyclicLR triangular` | depois de cada mini-lote | 0,01 | 0,1 | 0,015 |
# | `CyclicLR triangular2` | depois de cada mini-lote | 0,01 | 0,1 | 0,01 |
# | `CyclicLR exp_range` | depois de cada mini-lote | 0,01 | 0,084 | 0,011 |
# | `OneCycleLR` | depois de cada mini-lote | 0,004 | 0,1 | 4 × 10⁻⁷ |
# | `CosineAnnealingWarmRestarts` | depois de cada mini-lote | 0,1 | 0,1 | 0,052 |
#
# ### O que elas fazem com um treino
#
# Agora, o efeito. Todos os treinos usam SGD com momento de Nesterov. A referência mantém a taxa de aprendizado em 0,03. `StepLR` a muda duas vezes na execução da semente 0; `ReduceLROnPlateau`, uma vez; `CyclicLR`, a cada mini-lote, assim como `OneCycleLR`, que começa baixo, sobe até 0,06 e termina perto de zero.
#
# <a id="figure-schedule-effects"></a>

# %%
show("schedule-effects")

# %% [markdown]
# **Figura 12.** A mesma rede, o mesmo otimizador e as mesmas sementes sob cinco agendas. Linhas são médias sobre sementes, hastes seus intervalos de 95 %, afastadas para os lados para que todas apareçam. Taxas de aprendizado: semente 0.

# %% [markdown]
# Na [Figura 12](#figure-schedule-effects), vale pôr o painel de baixo ao lado dos de cima: o que faz a perda onde a taxa é alta, e o que faz onde ela cai?
#
# *Acurácia de teste com cada agenda e diferença pareada em relação à taxa de aprendizado constante.*
#
# | configuração | ajustes | acurácia de teste | diferença | veredito |
# | --- | --- | --- | --- | --- |
# | SGD com momento de Nesterov | η 0,03; μ 0,9 | 75,5 ± 5,7 % |  |  |
# | Nesterov com StepLR | η 0,03; μ 0,9; `StepLR` (step_size 2 epochs; gamma 0,3) | 76,1 ± 4,8 % | +0,6 pontos, intervalo de −1,4 a 2,6 | não se distinguem |
# | Nesterov com ReduceLROnPlateau | η 0,03; μ 0,9; `ReduceLROnPlateau` (factor 0,3; patience 0; threshold 0,05) | 75,7 ± 5,3 % | +0,2 pontos, intervalo de −0,4 a 0,7 | não se distinguem |
# | Nesterov com CyclicLR | η 0,03; μ 0,9; `CyclicLR` (base_lr 0,003; max_lr 0,06; step_size_up 1 epoch; mode triangular) | 72,8 ± 1,2 % | −2,8 pontos, intervalo de −9,4 a 3,8 | não se distinguem |
# | Nesterov com OneCycleLR | η 0,03; μ 0,9; `OneCycleLR` (max_lr 0,06) | 77,2 ± 4,7 % | +1,7 pontos, intervalo de −1,3 a 4,7 | não se distinguem |
#
# A maior média é a do Nesterov com OneCycleLR, com 77,2 ± 4,7 %. Mas nenhuma agenda se distingue da taxa constante depois de cinco épocas e com três sementes. Uma agenda é feita para treinos longos o bastante para chegarem a um fundo e serem mantidos longe dele pelo ruído; estes são curtos. O fim também pesa num veredito: um ciclo que calha de terminar alto é testado no seu momento mais ruidoso, um que termina baixo, no mais calmo. `CyclicLR` terminou a última época com uma taxa de 0,059; `OneCycleLR`, com 2,4 × 10⁻⁷.
#
# ### O que elas fazem com um caminho
#
# <a id="figure-schedule-paths"></a>

# %%
show("schedule-paths")

# %% [markdown]
# **Figura 13.** A mesma superfície e o mesmo início (quadrado), o fim de cada caminho (anel) e o mínimo (cruz); 50 passos de mini-lote cada um, a maior taxa de aprendizado é 0,3.

# %% [markdown]
# De volta ao vale, com o momento na primeira linha e Nesterov na segunda. Desta vez a taxa de aprendizado é 0,3, 3 vezes a dos caminhos anteriores, para que haja o que domar. Sem agenda, o momento anda 2,8 vezes a distância em linha reta, termina a 0,027 do mínimo e paga uma perda 7,1 × 10⁻⁴ acima da dele. Com `StepLR`, anda 2,1 vezes a distância, termina a 0,1 e paga 2,8 × 10⁻⁴: à medida que os passos encurtam, o ruído dos mini-lotes o move cada vez menos, e ele se estabiliza no fundo do vale, ainda que não no ponto mais baixo, pois ao longo do fundo a perda quase não muda. `CyclicLR`, que começa baixo, termina a 0,087. Os mesmos três com Nesterov: 0,036, 0,046 e 0,038.
#
# *Cada caminho depois de 50 mini-lotes.*
#
# | caminho | distância que falta | quanto passa do mínimo | caminho percorrido ÷ linha reta | perda acima do mínimo |
# | --- | --- | --- | --- | --- |
# | `line-sgd` | 0,97 | 0 % | 0,46 | 0,018 |
# | `line-momentum` | 0,12 | 0 % | 1,8 | 3 × 10⁻⁴ |
# | `line-nesterov` | 0,12 | 0 % | 1,3 | 3,2 × 10⁻⁴ |
# | `line-momentum-none` | 0,027 | 20 % | 2,8 | 7,1 × 10⁻⁴ |
# | `line-momentum-step` | 0,1 | 9 % | 2,1 | 2,8 × 10⁻⁴ |
# | `line-momentum-cyclic` | 0,087 | 6 % | 3 | 0,0034 |
# | `line-nesterov-none` | 0,036 | 14 % | 2 | 4,5 × 10⁻⁴ |
# | `line-nesterov-step` | 0,046 | 4 % | 1,5 | 6,9 × 10⁻⁵ |
# | `line-nesterov-cyclic` | 0,038 | 3 % | 1,7 | 2,2 × 10⁻⁴ |
#
# A teoria pede de uma agenda que a soma das taxas seja infinita e a dos seus quadrados não \[[11](#source-robbins1951)\], para que todo lugar possa ser alcançado e o ruído se extinga no fim. Nenhuma agenda desta seção obedece: nenhuma tem um infinito para gastar. O que a prática pergunta é o que a taxa faz nas épocas que existem. Convém, portanto, desenhar a agenda sobre as épocas *do próprio treino* antes de treinar com ela:

# %% [markdown]
# ```sh
# passo schedule CosineAnnealingWarmRestarts T_0=2 T_mult=2 lr=0.03 epochs=5 steps_per_epoch=43 --out restarts.html
# passo train dataset=fashion-mnist-sample model=tiny-cnn optimizer=sgd optimizer.lr=0.03 optimizer.momentum=0.9 schedule=CosineAnnealingWarmRestarts schedule.T_0=2 epochs=5
# ```

# %% [markdown]
# ## Fontes
#
# 7. <a id="source-torch"></a>Documentação do PyTorch, “torch.optim”, pytorch.org/docs.
# 11. <a id="source-robbins1951"></a>H. Robbins, S. Monro, “A stochastic approximation method”, *Ann. Math. Statistics* 22, 1951.
# 16. <a id="source-loshchilov2017"></a>I. Loshchilov, F. Hutter, “SGDR: stochastic gradient descent with warm restarts”, *ICLR*, 2017.
# 17. <a id="source-smith2017"></a>L. N. Smith, “Cyclical learning rates for training neural networks”, *WACV*, 2017.
# 18. <a id="source-smith2018"></a>L. N. Smith, N. Topin, “Super-convergence”, arXiv:1708.07120, 2018.
