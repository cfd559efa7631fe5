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
# # 02 Variantes do SGD
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
# ## SGD, momento e Nesterov
#
# Dá para melhorar um passo com o que veio antes dele, sem perguntar nada a cada peso em separado? A descida do gradiente estocástica pura \[[11](#source-robbins1951)\] não tem memória: cada passo é o último gradiente vezes a taxa de aprendizado. O momento \[[12](#source-polyak1964)\] lhe dá uma. Na forma do PyTorch \[[7](#source-torch)\], com momento $\mu$, amortecimento $\tau$ e decaimento de pesos $\lambda$:
#
# $$
# \begin{aligned}
# d_t &= g_t + \lambda\, \theta_{t-1} \\
# b_t &= \mu\, b_{t-1} + (1-\tau)\, d_t, \qquad b_1 = d_1 \\
# \theta_t &= \theta_{t-1} - \eta\, b_t
# \end{aligned} \tag{10}
# $$
#
# Aqui $g_t$ é o gradiente, $d_t$, o mesmo com o puxão do decaimento de pesos, $b_t$, o *buffer*, que é a memória, e $\eta$, a taxa de aprendizado. Sem momento, o passo usa $d_t$ no lugar de $b_t$. Note-se onde está $\eta$: do lado de fora. Em outros livros, e no Keras, ele está dentro do buffer, e então uma mudança da taxa de aprendizado leva muitos passos para chegar aos pesos. No PyTorch, um agendador age na hora, sobre tudo o que o buffer acumulou. Isso será importante na seção sobre agendadores; uma seção posterior o mede.
#
# ### O momento é uma EWMA sem freio
#
# Comparando $b_t = \mu b_{t-1} + d_t$ com uma EWMA, falta o fator $(1-\mu)$ diante do valor novo. Portanto, o buffer é a EWMA dividida por $1-\mu$. Se o gradiente ficasse o mesmo para sempre, ele cresceria até
#
# $$
# \lim\limits_{t\to\infty} b_t = d \sum_{k=0}^{\infty} \mu^k = \frac{d}{1-\mu} \tag{11}
# $$
#
# Com $\mu$ = 0,9, isso é 10 vezes o gradiente, e nove décimos do caminho estão feitos depois de 22 passos.
#
# <a id="figure-momentum-limit"></a>

# %%
show("momentum-limit")

# %% [markdown]
# **Figura 7.** O momento é uma EWMA sem o fator 1 − β e, portanto, soma aquilo de que a EWMA tira a média: acima, calculado para um gradiente constante; abaixo, em gradientes reais.

# %% [markdown]
# O painel de cima da [Figura 7](#figure-momentum-limit) é essa soma, calculada. O de baixo é medido: quanto ele se aproxima do limite, e com que frequência?
#
# O ruído não cresce como uma constante. Se os gradientes são independentes, o desvio padrão deles no buffer é multiplicado por apenas $1/\sqrt{1-\mu^2}$, aqui 2,29. O momento, portanto, ergue o sinal acima do ruído pela razão entre os dois, que é $\sqrt{(1+\mu)/(1-\mu)}$, a mesma $\sqrt{N}$ da primeira seção. Onde ficam os gradientes reais entre esses limites? Para o tensor `conv1.weight` na execução `momentum`, a raiz da média dos quadrados do buffer é 2,4 vezes a do gradiente: mais ou menos o que o ruído independente daria. No conjunto, esses gradientes concordam mais ou menos tanto quanto se contradizem.
#
# Disso decorrem duas coisas. Primeiro, o momento com taxa de aprendizado $\eta$ dá passos até $1/(1-\mu)$ vezes os do SGD puro com o mesmo $\eta$. Comparar os dois com a mesma taxa de aprendizado é comparar também dois comprimentos de passo. Segundo, há uma variante que separa os dois efeitos: o **amortecimento** com $\tau = \mu$ devolve o freio. Então $b_t$ é exatamente a EWMA, com o mesmo limite do SGD puro, e tudo o que acrescenta é suavização. Mais um detalhe do PyTorch: o primeiro gradiente entra sem amortecimento, $b_1 = d_1$. Uma média que começa no seu primeiro valor não tem viés em direção a zero e não precisa de correção; mas aquele primeiro mini-lote conserva um peso de $\mu^{t-1}$, 10 vezes o que sua idade lhe daria.
#
# ### Nesterov olha adiante
#
# A ideia de Nesterov \[[13](#source-nesterov1983), [14](#source-sutskever2013)\]: se a velocidade vai nos levar adiante de qualquer jeito, é melhor tomar o gradiente onde vamos estar, não onde estamos. O PyTorch a reescreve de modo que o gradiente continue sendo tomado nos pesos que ele guarda, e muda o passo:
#
# $$
# \theta_t = \theta_{t-1} - \eta\, (d_t + \mu\, b_t) \tag{12}
# $$
#
# Por que isso é olhar adiante? Suponhamos que o próximo gradiente seja igual a este. Então o próximo buffer será $b_{t+1} = \mu b_t + d_t$. É o que está entre os parênteses. **O passo de Nesterov é o passo do momento um passo mais tarde**, sob o palpite de que o gradiente não muda. Quando o gradiente acaba de virar, $d_t$ aparece duas vezes nos parênteses, uma sozinho e outra dentro de $b_t$, e a curva é feita mais cedo. Os quatro desta seção cabem em poucas linhas de Python:

# %%
import torch

torch.manual_seed(0)
start = torch.randn(1000)
gradients = [torch.randn(1000) for _ in range(50)]
theta, lr, mu, tau, nesterov = start.clone(), 0.01, 0.9, 0.0, True

# %%
b = None
for g in gradients:
    b = g.clone() if b is None else mu * b + (1 - tau) * g
    theta = theta - lr * (g + mu * b if nesterov else b)

# %%
weight = torch.nn.Parameter(start.clone())
sgd = torch.optim.SGD([weight], lr=lr, momentum=mu, dampening=tau, nesterov=nesterov)
for g in gradients:
    weight.grad = g
    sgd.step()
assert torch.allclose(theta, weight, atol=1e-5)

# %% [markdown]
# <a id="figure-sgd-traces"></a>

# %%
show("sgd-traces")

# %% [markdown]
# **Figura 8.** conv1.weight\[0, 0, 2, 2\] em três execuções da semente 0, cada uma com seus próprios gradientes e sua própria escala.

# %% [markdown]
# Os painéis da [Figura 8](#figure-sgd-traces) vêm de três treinos com os mesmos pesos iniciais e as mesmas imagens na mesma ordem. Depois do primeiro passo, os pesos diferem, e os gradientes também. Com que frequência cada direção muda de sinal? O SGD puro, em 20 % dos passos; o momento, em 16 %; Nesterov, em 26 %.
#
# ### Caminhos num vale
#
# Dois parâmetros podem ser desenhados. A partir do brilho médio da metade superior de uma imagem, o modelo `line` prevê o brilho médio de sua metade inferior: $\hat y = b + w x$, de novo com imagens reais. A sua perda é um vale comprido \[[15](#source-goh2017)\]. A curvatura transversal é 57 vezes a longitudinal. Essa razão, o número de condição, é a dificuldade da descida do gradiente em um só número: a direção íngreme limita a taxa de aprendizado a menos de $2$ dividido pela sua curvatura, aqui 0,93, e a direção plana tem de se arranjar com isso.
#
# <a id="figure-sgd-paths"></a>

# %%
show("sgd-paths")

# %% [markdown]
# **Figura 9.** Do brilho médio da metade superior de uma imagem ao brilho médio de sua metade inferior, por um peso e um viés; os tons são níveis do erro quadrático médio sobre todas as imagens, os pontos são os passos de mini-lote, os anéis são os fins.

# %% [markdown]
# Todos os caminhos da [Figura 9](#figure-sgd-paths) partem a 1,2 do mínimo, veem os mesmos mini-lotes e dão 50 passos com taxa de aprendizado 0,1. O SGD puro termina a 0,97 de distância, o momento, a 0,12, e Nesterov, a 0,12. Nenhum dos dois passa do mínimo com esta taxa de aprendizado; uma maior vem na próxima seção. O mais próximo no fim é `line-momentum`. (Esta superfície foi percorrida uma única vez, de um só ponto de partida; é uma imagem, não uma medida com intervalos.) As curvas merecem tanta atenção quanto os fins: o que tem memória não pode virar na hora.
#
# ### E com as imagens?
#
# <a id="figure-sgd-curves"></a>

# %%
show("sgd-curves")

# %% [markdown]
# **Figura 10.** Perda e acurácia de validação por época. Linhas são médias sobre sementes, faixas seus intervalos de 95 %; faixas mais largas que a moldura estão cortadas.

# %% [markdown]
# *Acurácia de teste e diferença pareada em relação ao SGD puro.*
#
# | configuração | ajustes | acurácia de teste | diferença | veredito |
# | --- | --- | --- | --- | --- |
# | SGD puro | η 0,03 | 62,1 ± 15,6 % |  |  |
# | SGD com momento amortecido | η 0,03; μ 0,9; τ 0,9 | 66,6 ± 8,1 % | +4,5 pontos, intervalo de −7,3 a 16,2 | não se distinguem |
# | SGD com momento | η 0,03; μ 0,9 | 72,8 ± 5,7 % | +10,7 pontos, intervalo de −8,0 a 29,4 | não se distinguem |
# | SGD com momento de Nesterov | η 0,03; μ 0,9 | 75,5 ± 5,7 % | +13,4 pontos, intervalo de −3,1 a 29,9 | não se distinguem |
#
# Os quatro usam a taxa de aprendizado 0,03. Na [Figura 10](#figure-sgd-curves), convém olhar as faixas antes das linhas: onde elas se sobrepõem, três sementes podem ter tido sorte. A tabela se lê com os dois efeitos em mente. *Só a suavização.* O SGD com momento amortecido não se distingue do SGD puro em acurácia de teste (+4,5 pontos, intervalo de −7,3 a 16,2). *Suavização e passos mais longos.* O SGD com momento não se distingue do SGD puro em acurácia de teste (+10,7 pontos, intervalo de −8,0 a 29,4). *Só os passos mais longos.* O SGD com momento não se distingue do SGD com momento amortecido em acurácia de teste (+6,2 pontos, intervalo de −7,5 a 19,9). *O olhar adiante.* O SGD com momento de Nesterov alcança acurácia de teste maior que a do SGD com momento (+2,7 pontos, intervalo de 0,1 a 5,3). Pelas médias, os passos mais longos importam mais que a suavização.
#
# Na teoria, o momento é para vales: a média apaga o ziguezague transversal e soma o avanço ao longo do vale. Na prática, a primeira coisa que ele traz é um passo até 10 vezes mais longo, e quem o compara com o SGD puro na mesma taxa de aprendizado compara isso também. Outras superfícies contam outras histórias; este comando faz todos correrem por uma ravina, cada um com a taxa de aprendizado que lhe convém:

# %% [markdown]
# ```sh
# passo descend ravine --optimizer sgd --optimizer momentum --optimizer nesterov --optimizer adam --tune 9 --out ravine.html
# ```

# %% [markdown]
# ## Fontes
#
# 7. <a id="source-torch"></a>Documentação do PyTorch, “torch.optim”, pytorch.org/docs.
# 11. <a id="source-robbins1951"></a>H. Robbins, S. Monro, “A stochastic approximation method”, *Ann. Math. Statistics* 22, 1951.
# 12. <a id="source-polyak1964"></a>B. T. Polyak, “Some methods of speeding up the convergence of iteration methods”, *USSR Comput. Math. Math. Phys.* 4, 1964.
# 13. <a id="source-nesterov1983"></a>Y. Nesterov, “A method of solving a convex programming problem with convergence rate O(1/k²)”, *Soviet Math. Doklady* 27, 1983.
# 14. <a id="source-sutskever2013"></a>I. Sutskever et al., “On the importance of initialization and momentum in deep learning”, *ICML*, 2013.
# 15. <a id="source-goh2017"></a>G. Goh, “Why momentum really works”, *Distill*, 2017.
