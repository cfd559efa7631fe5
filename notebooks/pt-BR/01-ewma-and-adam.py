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
# # 01 EWMA e Adam
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
# ## A média móvel exponencialmente ponderada encontra os gradientes
#
# Um gradiente calculado com 64 imagens é uma opinião sobre o gradiente verdadeiro, não o próprio. As 64 imagens seguintes têm outra opinião. Tomemos um peso, `conv1.weight[0, 0, 2, 2]`, na execução `adam` da semente 0: seu gradiente muda de sinal em 27 % dos passos, e seu desvio padrão é 1,2 vezes a sua média. Ninguém se guiaria por uma só leitura dessas. Por isso os otimizadores tiram médias. A questão é como: quão longa deve ser a memória, quanto ela custa e o que há de errado com o seu começo?
#
# ### Duas maneiras de lembrar
#
# A **média móvel** guarda os últimos $N$ valores e esquece de uma vez tudo o que é mais velho:
#
# $$
# \bar g_t = \frac{1}{N} \sum_{k=0}^{N-1} g_{t-k} \tag{1}
# $$
#
# Aqui $g_t$ é o gradiente do mini-lote $t$, e $\bar g_t$, a média depois dele.
#
# A **média móvel exponencialmente ponderada**, ou EWMA, na sigla em inglês, nunca esquece por completo \[[5](#source-hunter1986)\]. Ela não precisa de uma lista de valores antigos, só do seu próprio último resultado:
#
# $$
# m_t = \beta\, m_{t-1} + (1-\beta)\, g_t = (1-\beta) \sum_{k=0}^{t-1} \beta^k g_{t-k} \tag{2}
# $$
#
# Aqui $m_t$ é a média depois do passo $t$, e $\beta$, entre $0$ e $1$, é a fração do passado que se conserva. Algumas bibliotecas pedem, em vez disso, $\alpha = 1-\beta$, a fração do valor mais novo: a mesma coisa, vista do outro lado. A soma à direita é a recursão, desenrolada. Ela mostra os pesos: um valor de $k$ passos atrás conta $(1-\beta)\,\beta^k$. A [Figura 1](#figure-ewma-weights) desenha as duas por idade; vale observar onde se cruzam e quanto da EWMA fica além da janela.
#
# <a id="figure-ewma-weights"></a>

# %%
show("ewma-weights")

# %% [markdown]
# **Figura 1.** Peso por idade: a média móvel esquece de uma vez só, a EWMA aos poucos.

# %% [markdown]
# Como comparar uma memória que termina com uma que se apaga aos poucos? Pela **idade média** do que ela guarda, contando o valor de hoje como de um passo. Na média móvel, as idades vão de um a $N$, e a média é $(N+1)/2$. Na EWMA, ela é
#
# $$
# \sum_{k=0}^{\infty} (k+1)\,(1-\beta)\,\beta^k = \frac{1}{1-\beta} \tag{3}
# $$
#
# Igualando as duas, obtém-se a regra que traduz uma na outra:
#
# $$
# N = \frac{1+\beta}{1-\beta} \tag{4}
# $$
#
# Assim, o $\beta_1$ usual, 0,9, lembra tanto quanto uma média móvel de 19 passos, e o $\beta_2$ usual, 0,999, tanto quanto uma de 1.999. É muito tempo: o treino inteiro, aqui, tem 215 passos. O mesmo $N$ diz também quanto ruído sobra. Se os valores fossem independentes, qualquer das duas médias reduziria o desvio padrão deles a $1/\sqrt{N}$ do que era. Um número, dois significados: quão velha é a notícia, e quão calma.
#
# *A mesma suavização com seus quatro nomes, e quanto tempo dura seu viés.*
#
# | β | α = 1 − β | períodos N | idade média | primeira correção | passos até ficar abaixo de 1 % |
# | --- | --- | --- | --- | --- | --- |
# | 0,9 | 0,1 | 19 | 10 | 10 vezes | 44 |
# | 0,999 | 0,001 | 1.999 | 1.000 | 1.000 vezes | 4.603 |
#
# <a id="figure-ewma-series"></a>

# %%
show("ewma-series")

# %% [markdown]
# **Figura 2.** A perda do mini-lote de sgd-s0 e duas médias de 19 períodos.

# %% [markdown]
# A [Figura 2](#figure-ewma-series) mostra as duas numa série que todos os que treinam redes já encararam: a perda de cada mini-lote. A EWMA responde a uma mudança na hora, e aos poucos. A média móvel responde por igual, e larga cada valor com um solavanco quando ele sai da janela. Enquanto a janela não enche, ela não tem nada a dizer; a EWMA fala desde o primeiro passo, e essa é a próxima dificuldade.

# %%
import numpy as np

losses = np.random.default_rng(0).random(100)

# %%
import passo

passo.Smoothing(beta=0.9)  # a mesma memória como α, períodos N e idade média
smooth = passo.ewma(losses, beta=0.9, bias_correction=True)
even = passo.moving_average(losses, 19)

# %%
assert round(passo.Smoothing(beta=0.9).periods) == 19
assert len(smooth) == len(even) == len(losses)

# %% [markdown]
# ### Os primeiros passos estão errados, e como se corrige isso
#
# Uma EWMA precisa começar em algum lugar, e começa em $m_0 = 0$. Esse zero não é um dado, mas entra na média. Depois de $t$ passos, os pesos dos valores de verdade somam apenas $1-\beta^t$; se os gradientes têm média $\mathbb{E}[g]$, então
#
# $$
# \mathbb{E}[m_t] = (1-\beta^t)\,\mathbb{E}[g] \tag{5}
# $$
#
# que é pequeno demais, por um fator que conhecemos com exatidão. Basta dividir por ele:
#
# $$
# \hat m_t = \frac{m_t}{1-\beta^t} \tag{6}
# $$
#
# No primeiro passo, isso multiplica por $1/(1-\beta)$: por 10 com $\beta_1$, por 1.000 com $\beta_2$. Depois o efeito some, depressa com o primeiro, devagar com o segundo: como diz a tabela, $\beta_2$ leva 4.603 passos até que reste menos de um por cento de viés. O treino desta nota termina no passo 215, em que a correção ainda multiplica $v_t$ por 5,17. A [Figura 3](#figure-ewma-bias) mostra as duas memórias antes e depois; repare-se por quanto tempo a linha que parte do zero fica embaixo. Costuma-se dizer que a correção de viés é um detalhe dos primeiros passos. Aqui ela trabalha do primeiro ao último passo.
#
# <a id="figure-ewma-bias"></a>

# %%
show("ewma-bias")

# %% [markdown]
# **Figura 3.** Os primeiros 100 gradientes de conv1.weight\[0, 0, 2, 2\] em adam-s0; gradientes além da moldura estão cortados.

# %% [markdown]
# ### Agora com gradientes reais
#
# <a id="figure-ewma-gradients"></a>

# %%
show("ewma-gradients")

# %% [markdown]
# **Figura 4.** Gradiente de conv1.weight\[0, 0, 2, 2\] em adam-s0 e seu quadrado, com as médias do Adam já corrigidas do viés.

# %% [markdown]
# A [Figura 4](#figure-ewma-gradients) é a mesma aritmética sobre o gradiente de `conv1.weight[0, 0, 2, 2]`: em cima, o gradiente e o que $\beta_1$ faz dele; embaixo, o seu quadrado e o que $\beta_2$ faz deste. O que sobrevive? A média com $\beta_1$ deixa 66 % do desvio padrão, e o sinal agora muda em 0 % dos passos, em vez de 27 %. Se os gradientes fossem ruído independente, $1/\sqrt{N}$ diz que restariam 23 %. Resta mais do que isso: mini-lotes sucessivos concordam entre si mais do que o acaso faria. O que sobrevive à média é a parte que vale a pena seguir.
#
# Aqui teoria e prática se separam também de um segundo modo. A teoria tira a média de muitas opiniões sobre um só gradiente. Num treino, os pesos seguem adiante, e a parte velha de uma média é notícia de outro lugar. Uma memória custa mais do que paciência: custa atualidade.
#
# Para ver até onde olham para trás as médias desta execução, em passos e como frações do treino:

# %% [markdown]
# ```sh
# passo inspect optimizers/adam-s0 --figure betas
# ```

# %% [markdown]
# ## Adam
#
# O que faria um otimizador que soubesse, de cada peso em separado, até que ponto se pode confiar nos seus gradientes? O Adam \[[6](#source-kingma2015)\] responde com duas médias. A primeira, $m$, é a do gradiente: para onde ir. A segunda, $v$, é a do seu quadrado: de que tamanho costumam ser esses gradientes. O passo é a primeira, medida em unidades da raiz quadrada da segunda.
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
# Aqui $\theta$ é um peso, e $g_t$, o seu gradiente no passo $t$, contado a partir de um; $m$ e $v$ começam em zero, e os chapéus tiram de novo esse zero; $\eta$ é a taxa de aprendizado, aqui 0,003; $\beta_1$ e $\beta_2$ são as duas memórias, e $\varepsilon$ mantém a fração finita. Tudo isso acontece com cada peso em separado. São as definições do PyTorch \[[7](#source-torch)\], e em Python elas não são mais longas que no papel:

# %%
import torch

torch.manual_seed(0)
start = torch.randn(1000)
gradients = [torch.randn(1000) for _ in range(50)]
theta, lr, beta1, beta2, eps = start.clone(), 0.001, 0.9, 0.999, 1e-8

# %%
m, v = torch.zeros_like(theta), torch.zeros_like(theta)
for t, g in enumerate(gradients, start=1):
    m = beta1 * m + (1 - beta1) * g  # para onde ir
    v = beta2 * v + (1 - beta2) * g**2  # de que tamanho costumam ser os gradientes
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
# Nada as ensina tão bem quanto fazer as contas uma vez. A próxima tabela acompanha um peso nos seus primeiros passos. Cada coluna está como o microscópio a registrou e pode ser conferida com uma calculadora de bolso.
#
# *A contabilidade do Adam para `conv1.weight[0, 0, 2, 2]`, como foi registrada; a taxa de aprendizado é 0,003.*
#
# | passo | $g_t$ | $m_t$ | $v_t$ | $\hat m_t$ | $\hat v_t$ | $\hat m_t / (\sqrt{\hat v_t} + \varepsilon)$ | $\Delta\theta_t$ |
# | --- | --- | --- | --- | --- | --- | --- | --- |
# | 1 | 0,00622 | 6,22 × 10⁻⁴ | 3,87 × 10⁻⁸ | 0,00622 | 3,87 × 10⁻⁵ | 1 | −0,003 |
# | 2 | 0,00677 | 0,00124 | 8,46 × 10⁻⁸ | 0,00651 | 4,23 × 10⁻⁵ | 1 | −0,003 |
# | 3 | 0,0141 | 0,00253 | 2,84 × 10⁻⁷ | 0,00932 | 9,48 × 10⁻⁵ | 0,958 | −0,00287 |
# | 10 | 0,163 | 0,0546 | 7,35 × 10⁻⁵ | 0,0838 | 0,00738 | 0,975 | −0,00292 |
# | 215 | 0,0904 | 0,0216 | 3,97 × 10⁻⁴ | 0,0216 | 0,00205 | 0,476 | −0,00143 |
#
# Vejamos o passo um. Nele, $\hat m_1 = g_1$ e $\hat v_1 = g_1^2$, de modo que a fração é $g_1/(|g_1|+\varepsilon)$: nada além do sinal. **O primeiro passo do Adam tem o tamanho da taxa de aprendizado, seja qual for o tamanho do gradiente.** Para este peso, a razão registrada entre o passo e a taxa de aprendizado é 1,0000.
#
# Mais adiante, a fração é uma medida de concordância. Se os gradientes de um peso são todos parecidos, $\hat m$ é tão grande quanto $\sqrt{\hat v}$, e o passo é um $\eta$ inteiro. Se eles se contradizem, $\hat m$ encolhe, $\sqrt{\hat v}$ não, e o peso mal se move. Nesta execução, metade dos passos de `conv1.weight[0, 0, 2, 2]` foi menor que 38 % de $\eta$.
#
# A teoria dá à fração dois extremos \[[8](#source-balles2018)\]. Um gradiente que nunca muda a faz valer um. Gradientes que são apenas ruído fazem a raiz da média dos quadrados dela valer $\sqrt{(1-\beta_1)/(1+\beta_1)}$, aqui 23 %. Em todo o `conv1.weight` e em todos os passos, medimos 50 %: mais do que o ruído daria, de modo que há nesses gradientes uma direção que sobrevive a um mini-lote.
#
# ### Desmontando
#
# Para que serve cada parte, e como ela firma o treino? Mudamos uma de cada vez. Na [Figura 5](#figure-adam-apart), importa ver qual linha se afasta das outras, e se isso acontece no começo, quando as médias são jovens, ou no fim.
#
# <a id="figure-adam-apart"></a>

# %%
show("adam-apart")

# %% [markdown]
# **Figura 5.** Perda de validação do Adam, e do Adam com β₁ = 0, β₂ = 0,9 ou ε = 0,1. Linhas são médias sobre sementes, faixas seus intervalos de 95 %; faixas mais largas que a moldura estão cortadas.

# %% [markdown]
# *Acurácia de teste e diferença pareada em relação ao Adam.*
#
# | configuração | ajustes | acurácia de teste | diferença | veredito |
# | --- | --- | --- | --- | --- |
# | Adam | η 0,003 | 73,2 ± 8,1 % |  |  |
# | Adam sem β₁ | η 0,003; β₁ 0; β₂ 0,999 | 70,9 ± 1,5 % | −2,3 pontos, intervalo de −10,9 a 6,3 | não se distinguem |
# | Adam com β₂ curto | η 0,003; β₁ 0,9; β₂ 0,9 | 72,2 ± 5,5 % | −0,9 pontos, intervalo de −3,7 a 1,8 | não se distinguem |
# | Adam com ε grande | η 0,003; ε 0,1 | 63,8 ± 3,2 % | −9,3 pontos, intervalo de −18,1 a −0,6 | menor |
# | AdamW | η 0,003; λ 0,01 | 72,9 ± 7,9 % | −0,3 pontos, intervalo de −1,1 a 0,5 | não se distinguem |
# | RMSprop | η 0,003 | 74,8 ± 1,6 % | +1,6 pontos, intervalo de −6,7 a 10,0 | não se distinguem |
#
# **Sem $\beta_1$**, o numerador é o gradiente bruto do último mini-lote; só o seu tamanho ainda é adaptado. O Adam sem β₁ não se distingue do Adam em acurácia de teste (−2,3 pontos, intervalo de −10,9 a 6,3). O `RMSprop` \[[9](#source-tieleman2012)\] é o irmão mais velho dessa variante: também sem a primeira média, com um decaimento próprio $\alpha$ = 0,99 para os quadrados e sem correção de viés. O RMSprop alcança acurácia de teste maior que a do Adam sem β₁ (+3,9 pontos, intervalo de 0,9 a 6,9).
#
# **Com um $\beta_2$ curto, de 0,9,** o denominador lembra 19 períodos em vez de 1.999. Ele acompanha cada rajada de gradientes grandes e a esquece com a mesma rapidez. O Adam com β₂ curto não se distingue do Adam em acurácia de teste (−0,9 pontos, intervalo de −3,7 a 1,8).
#
# **Com $\varepsilon$ = 0,1,** aumentamos a parte para a qual ninguém olha. Normalmente $\varepsilon$, em 10⁻⁸, só mantém a divisão segura. Ele deve ser comparado com $\sqrt{\hat v}$, cuja mediana para `conv1.weight[0, 0, 2, 2]` nesta execução é 0,07. Portanto, $\varepsilon$ já não é pequeno e puxa cada fração em direção a zero: com os mesmos gradientes, cada passo é mais curto do que o Adam o faria. (Um treino mais lento não tem os mesmos gradientes: eles continuam maiores por mais tempo.) O Adam com ε grande alcança acurácia de teste menor que a do Adam (−9,3 pontos, intervalo de −18,1 a −0,6). O Adam com ε grande não se distingue do SGD com momento amortecido em acurácia de teste (−2,8 pontos, intervalo de −8,5 a 3,0).
#
# O **AdamW** \[[10](#source-loshchilov2019)\] acrescenta o decaimento de pesos, mas o deixa fora das médias: primeiro $\theta \leftarrow \theta - \eta\lambda\theta$, depois o passo do Adam. Se o decaimento fizesse parte do gradiente, seria dividido por $\sqrt{\hat v}$ como todo o resto, e os pesos com gradientes grandes seriam os que menos decaem. Com $\lambda$ = 0,01 e esta taxa de aprendizado, o decaimento sozinho deixaria 99,36 % de um peso depois dos 215 passos deste treino. O AdamW não se distingue do Adam em acurácia de teste (−0,3 pontos, intervalo de −1,1 a 0,5).
#
# Em suma: de cinco variantes, uma se distingue do Adam pela acurácia de teste com estes dados. Quanto às outras, a resposta honesta é que seriam precisos um treino mais longo ou mais sementes para dizer.
#
# Assim, as partes se distinguem no papel, passo a passo e até o último dígito; pelo resultado de um treino tão curto quanto este, só algumas delas. Para ver um passo de um peso com todos os seus números postos na equação, e para experimentar um $\varepsilon$ intermediário:

# %% [markdown]
# ```sh
# passo inspect optimizers/adam-s0 --parameter conv1.weight --step 3
# passo train dataset=fashion-mnist-sample model=tiny-cnn optimizer=adam optimizer.lr=0.003 optimizer.eps=0.001 epochs=5
# ```

# %% [markdown]
# ## Gradientes adaptados à vista
#
# O que é que a taxa de aprendizado multiplica? Não é o gradiente: esse, no caminho, passou por uma média, uma correção e uma escala. A grandeza merece um nome próprio, o *gradiente adaptado*. Não é uma média de gradientes, nem dos seus tamanhos:
#
# $$
# u_t = \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon}, \qquad \Delta\theta_t = -\eta\, u_t \tag{8}
# $$
#
# Gráficos com esse rótulo às vezes mostram outra coisa, por exemplo uma média de $|g_t|$. É fácil distinguir as duas: o gradiente adaptado tem sinal e não tem unidade. Com uma letra para o que aconteceu, $\Delta\theta_t = \theta_t - \theta_{t-1}$ é a *atualização*, o peso depois do passo menos o peso antes dele.
#
# <a id="figure-adapted-gradients"></a>

# %%
show("adapted-gradients")

# %% [markdown]
# **Figura 6.** conv1.weight\[0, 0, 2, 2\] em adam-s0, passo a passo: o gradiente e sua EWMA corrigida m̂; o fator 1/(√v̂ + ε) que a escala (escala logarítmica); o gradiente adaptado, produto dos dois, e θ depois menos θ antes, medido, dividido por −lr.

# %% [markdown]
# A [Figura 6](#figure-adapted-gradients) se lê de cima para baixo: o gradiente de um peso com a sua média corrigida de viés $\hat m$; o fator $1/(\sqrt{\hat v}+\varepsilon)$ que o escala; e o produto dos dois, sobre o qual está a atualização medida. O painel do meio, em que nada tem sinal, é o principal: só ele decide quanto vale um gradiente de um dado tamanho, e depois dos primeiros passos ele muda devagar, como a sua longa memória exige. E atenção às escalas verticais. O gradiente deste peso tem desvio padrão de 0,035; o gradiente adaptado, de 0,28, e nunca é maior que 1,02.
#
# É assim com todos os pesos do tensor `conv1.weight`? Do primeiro quinto do treino ao último, a raiz da média dos quadrados do gradiente passa a 41 % do que era, e a do gradiente adaptado, a 29 %. Aqui o gradiente adaptado muda mais que o próprio gradiente: seu tamanho acompanha quanto os gradientes sucessivos concordam, e essa concordância mudou ao longo do treino.
#
# ### O resíduo: temos o direito de dizer tudo isso?
#
# Um gráfico de $\hat m$ e $\hat v$ não prova nada sozinho. Poderíamos ter copiado mal uma equação, ou observado no momento errado. Por isso, a cada passo, o microscópio mede o que aconteceu, $\theta_t - \theta_{t-1}$, subtrai o que as equações dizem que deveria ter acontecido (no AdamW, com o seu decaimento) e guarda o que sobra:
#
# $$
# r_t = (\theta_t - \theta_{t-1}) - (-\eta\, u_t) \tag{9}
# $$
#
# Quem fez o trabalho foi o otimizador do próprio PyTorch; nossas equações apenas o explicam. Se o explicam por inteiro, o resíduo não passa de arredondamento. Um peso próximo de um é guardado com espaçamento de 1,19 × 10⁻⁷, e essa é a régua: damos o resíduo em *arredondamentos*, múltiplos desse espaçamento no tamanho do peso ou do seu passo.
#
# *Atualizações e resíduos de `conv1.weight[0, 0, 2, 2]`, e o pior resíduo entre todos os pesos.*
#
# | execução | passos | atualização mediana | maior resíduo | pior entre todos os pesos, em arredondamentos |
# | --- | --- | --- | --- | --- |
# | SGD puro | 215 | 0,0012 | 1,5 × 10⁻⁸ | 1,0 |
# | SGD com momento | 215 | 0,0026 | 1,5 × 10⁻⁸ | 1,0 |
# | SGD com momento amortecido | 215 | 0,0013 | 1,5 × 10⁻⁸ | 1,0 |
# | SGD com momento de Nesterov | 215 | 0,0021 | 1,5 × 10⁻⁸ | 1,0 |
# | Adam | 215 | 0,0011 | 1,5 × 10⁻⁸ | 2,5 |
# | Adam com ε grande | 215 | 0,0011 | 1,5 × 10⁻⁸ | 2,2 |
# | AdamW | 215 | 0,0011 | 3,6 × 10⁻⁸ | 2,8 |
# | Nesterov com CyclicLR | 215 | 0,0026 | 1,4 × 10⁻⁸ | 1,0 |
#
# Em 1.720 passos observados das execuções desta tabela, e em todos os 1.586 pesos de cada uma, o pior resíduo é de 2,8 arredondamentos. As equações acima são o que os otimizadores fazem. Não sobra espaço para mais nada.
#
# Aqui, portanto, teoria e prática não se separam em nada: o que difere nas outras seções nunca é a aritmética, e sim o que os gradientes põem nela. Os três painéis podem ser feitos para cada peso de cada camada, e a prova, para qualquer outro otimizador:

# %% [markdown]
# ```sh
# passo inspect optimizers/adam-s0 --figure stages --parameter fc2.weight
# passo proof rmsprop
# ```

# %% [markdown]
# ## Fontes
#
# 5. <a id="source-hunter1986"></a>J. S. Hunter, “The exponentially weighted moving average”, *J. Quality Technology* 18, 1986.
# 6. <a id="source-kingma2015"></a>D. P. Kingma, J. Ba, “Adam: a method for stochastic optimization”, *ICLR*, 2015.
# 7. <a id="source-torch"></a>Documentação do PyTorch, “torch.optim”, pytorch.org/docs.
# 8. <a id="source-balles2018"></a>L. Balles, P. Hennig, “Dissecting Adam: the sign, magnitude and variance of stochastic gradients”, *ICML*, 2018.
# 9. <a id="source-tieleman2012"></a>T. Tieleman, G. Hinton, “Lecture 6.5: RMSprop”, *Neural Networks for Machine Learning*, 2012.
# 10. <a id="source-loshchilov2019"></a>I. Loshchilov, F. Hutter, “Decoupled weight decay regularization”, *ICLR*, 2019.
