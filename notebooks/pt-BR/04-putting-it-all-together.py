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
# # 04 Tudo junto
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
# ## Juntando tudo
#
# Dois treinos completos, da escolha da taxa de aprendizado ao teste: o Adam, que adapta seus passos sozinho, e o SGD com momento de Nesterov sob `CyclicLR` no modo `triangular2`.
#
# ### Que tamanho pode ter um passo?
#
# O **teste de faixa da taxa de aprendizado** \[[17](#source-smith2017)\] pergunta à rede. Começa-se com uma taxa pequena demais, que sobe pelo mesmo fator a cada mini-lote, e observa-se a perda. Primeiro não acontece nada. Depois a perda cai. Depois para de cair, e por fim explode. As taxas úteis estão onde ela cai, e a sugestão é a taxa em que a perda suavizada (por uma EWMA com correção de viés, é claro) cai mais depressa por década.

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
found.suggestion  # o modelo e o otimizador ficam como estavam

# %%
assert found.suggestion > 0
assert torch.equal(before, model.weight) and not optimizer.state

# %% [markdown]
# Ele trabalha com cópias. Um teste de faixa leva uma rede à ruína, e ela não deve ser a que se quer treinar. Na [Figura 14](#figure-lr-range), importa ver quanto as sementes se afastam umas das outras e quanto espaço há entre a sugestão e a explosão.
#
# <a id="figure-lr-range"></a>

# %%
show("lr-range")

# %% [markdown]
# **Figura 14.** Perda do mini-lote suavizada enquanto a taxa de aprendizado sobe: as linhas finas são as 3 sementes, a grossa sua média com o intervalo de 95 %, até onde vão todos os testes; a linha tracejada é a sugestão, e as cruzes marcam onde os testes pararam porque a perda havia disparado; perdas fora da moldura estão cortadas. Os traços na borda inferior são as sugestões das sementes; a linha tracejada, sua média geométrica.

# %% [markdown]
# *Um teste de faixa por semente; o teste para quando a perda suavizada chega a quatro vezes a melhor.*
#
# | teste de faixa | semente | taxa sugerida | parou em |
# | --- | --- | --- | --- |
# | `range-adam` | 0 | 0,015 | 0,71 |
# | `range-adam` | 1 | 0,0095 | foi até o fim |
# | `range-adam` | 2 | 0,014 | foi até o fim |
# | `range-nesterov` | 0 | 0,038 | foi até o fim |
# | `range-nesterov` | 1 | 0,095 | foi até o fim |
# | `range-nesterov` | 2 | 0,095 | foi até o fim |
#
# Os testes sugerem taxas de 0,0095 a 0,015 para o Adam e de 0,038 a 0,095 para Nesterov. As sementes ficam dentro de um fator de 2,5 umas das outras, o melhor que se pode esperar de uma só passagem com mini-lotes isolados. Tomamos a média geométrica das sementes. O Adam treina com ela como está, 0,013. Para Nesterov, ela é o topo do ciclo, 0,07; o fundo é 10 vezes menor, e cada novo ciclo sobe metade do anterior.
#
# ### No caminho
#
# <a id="figure-final-adapted"></a>

# %%
show("final-adapted")

# %% [markdown]
# **Figura 15.** conv1.weight\[0, 0, 2, 2\] em adam-final-s0 (à esquerda) e nesterov-cyclic-final-s0 (à direita): o gradiente e sua memória; o que multiplica, lr/(√v̂ + ε) à esquerda e a taxa de aprendizado à direita; a atualização, explicada e medida.

# %% [markdown]
# A [Figura 15](#figure-final-adapted) mostra o mesmo peso, `conv1.weight[0, 0, 2, 2]`, nos dois. O gradiente adaptado do Adam é um número sem unidade: para este peso, no máximo 1 em tamanho, com raiz da média dos quadrados sobre o tensor de 0,32. O que Nesterov multiplica está nas unidades do próprio gradiente, com raiz da média dos quadrados de 0,18. As taxas de aprendizado compensam a diferença: a raiz da média dos quadrados das atualizações efetivas é 0,0039 com o Adam e 0,0059 com Nesterov. É esse o número a comparar quando alguém pergunta qual de dois otimizadores tem a maior taxa de aprendizado.
#
# <a id="figure-final-curves"></a>

# %%
show("final-curves")

# %% [markdown]
# **Figura 16.** Cada um com a taxa de aprendizado que seu próprio teste de faixa sugere. Linhas são médias sobre sementes, faixas seus intervalos de 95 %; faixas mais largas que a moldura estão cortadas. Taxas de aprendizado: semente 0.

# %% [markdown]
# A [Figura 16](#figure-final-curves) reúne numa só imagem tudo de que esta nota falou: uma perda, uma acurácia e a taxa que as conduziu. O que acontece nas épocas em que o ciclo está no topo?
#
# ### O teste
#
# <a id="figure-final-accuracy"></a>

# %%
show("final-accuracy")

# %% [markdown]
# **Figura 17.** Acurácia média de teste e intervalo de 95 % sobre sementes; os pontos pequenos são as sementes. O conjunto de teste foi usado uma só vez.

# %% [markdown]
# O Adam alcança uma acurácia de teste de 75,4 ± 9,0 %; Nesterov com `triangular2`, de 74,7 ± 4,7 %. O Adam com a taxa do teste de faixa não se distingue do Nesterov com CyclicLR `triangular2` em acurácia de teste (+0,8 pontos, intervalo de −8,9 a 10,4). O teste de faixa ajudou? O Adam com a taxa do teste de faixa alcança acurácia de teste maior que a do Adam (+2,3 pontos, intervalo de 0,9 a 3,6), cuja taxa de 0,003 foi escolhida por hábito. O Nesterov com CyclicLR `triangular2` não se distingue do SGD com momento de Nesterov em acurácia de teste (−0,9 pontos, intervalo de −2,0 a 0,3), que manteve uma taxa constante de 0,03. Onde ajudou, foi ao preço de 97 mini-lotes.
#
# Na teoria, o teste de faixa encontra a maior inclinação de uma perda percorrida uma só vez, a partir de pesos novos, um mini-lote de cada vez; o que se quer é a melhor taxa para muitas épocas. São parentes, não a mesma coisa. Convém, por isso, conferir a sugestão com treinos curtos, com um terço dela, com ela e com o triplo:

# %% [markdown]
# ```sh
# passo lr-range dataset=fashion-mnist-sample model=tiny-cnn optimizer=adam --seeds 5 --verify
# ```

# %% [markdown]
# ## O mesmo nome em outra biblioteca
#
#
# “Treinado com RMSprop, configurações padrão.” O que foi executado? Um nome representa três coisas que duas bibliotecas podem preencher de modos diferentes: as equações, as constantes que há nelas e os valores de que partem as médias. O PyTorch \[[7](#source-torch)\] e o Keras \[[19](#source-keras)\] concordam no nome. Treinamos com as duas definições, no PyTorch, com as mesmas imagens e a partir dos mesmos pesos.
#
# ### As definições
#
# O RMSprop guarda uma só média, a dos gradientes ao quadrado, $v_t = \alpha\, v_{t-1} + (1-\alpha)\, g_t^2$, e divide pela sua raiz. Onde fica o $\varepsilon$ que mantém a divisão segura?
#
# $$
# \text{PyTorch:}\quad \theta_t = \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{v_t} + \varepsilon} \qquad\qquad \text{Keras:}\quad \theta_t = \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{v_t + \varepsilon}} \tag{15}
# $$
#
# Os símbolos são os da seção sobre o Adam. Um $\varepsilon$ dentro da raiz age como $\sqrt{\varepsilon}$ fora dela: o do Keras, 10⁻⁷, segura os pesos cujos gradientes ficam abaixo de 3,2 × 10⁻⁴; o do PyTorch, 10⁻⁸, só os que ficam abaixo do próprio $\varepsilon$.
#
# O momento difere no lugar da taxa de aprendizado, com $\eta_t$ para a taxa no passo $t$ e $w$ para o buffer do Keras:
#
# $$
# \begin{aligned}
# \text{PyTorch:}\quad & b_t = \mu\, b_{t-1} + g_t, & \theta_t &= \theta_{t-1} - \eta_t\, b_t \\
# \text{Keras:}\quad & w_t = \mu\, w_{t-1} - \eta_t\, g_t, & \theta_t &= \theta_{t-1} + w_t
# \end{aligned} \tag{16}
# $$
#
# Enquanto a taxa não muda, $w_t = -\eta\, b_t$, e os dois são um só. No Keras, o $\varepsilon$ do Adam é dividido por $\sqrt{1-\beta_2^t}$, de modo que pesa mais nos primeiros passos; o Adagrad \[[20](#source-duchi2011)\] soma seus quadrados a partir de 0,1 lá e a partir de 0 aqui. Em Python, um ao lado do outro:

# %%
import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
model(torch.randn(8, 4)).square().mean().backward()

# %%
import torch

import passo
from passo.optim import keras

torch.optim.RMSprop(model.parameters())  # equações e padrões do PyTorch
keras.RMSprop(model.parameters())  # equações e padrões do Keras, um otimizador comum do PyTorch
optimizer = passo.make_optimizer("keras-rmsprop", model.parameters(), lr=0.003)

# %%
assert isinstance(optimizer, keras.RMSprop)
before = model.weight.detach().clone()
optimizer.step()
assert not torch.equal(before, model.weight)

# %% [markdown]
# ### Os padrões
#
# *Os mesmos nomes sem nenhum argumento: mesmos pesos iniciais, mesmos lotes e, portanto, mesmo primeiro gradiente.*
#
# | nome | padrões do PyTorch | acurácia de teste | padrões do Keras | acurácia de teste | primeiro passo, Keras ÷ PyTorch | acurácia do Keras |
# | --- | --- | --- | --- | --- | --- | --- |
# | SGD | η 0,001 | 10,2 ± 9,2 % | η 0,01 | 42,1 ± 36,4 % | 10 | não se distinguem |
# | RMSprop | η 0,01; α 0,99; ε 10⁻⁸ | 61,5 ± 20,3 % | η 0,001; α 0,9; ε 10⁻⁷ | 68,0 ± 1,7 % | 0,03 | não se distinguem |
# | Adam | η 0,001; ε 10⁻⁸ | 69,1 ± 0,7 % | η 0,001; ε 10⁻⁷ | 69,0 ± 0,6 % | 1 | não se distinguem |
# | Adagrad | η 0,01; ε 10⁻¹⁰ | 70,4 ± 2,0 % | η 0,001; ε 10⁻⁷ | 16,4 ± 15,6 % | 0,0055 | menor |
# | Adadelta | η 1; ρ 0,9; ε 10⁻⁶ | 71,7 ± 1,8 % | η 0,001; ρ 0,95; ε 10⁻⁷ | 9,0 ± 9,2 % | 4,9 × 10⁻⁴ | menor |
#
# <a id="figure-library-defaults"></a>

# %%
show("library-defaults")

# %% [markdown]
# **Figura 18.** Perda de validação com os padrões de cada biblioteca, médias sobre as sementes; as faixas são intervalos de 95 %, cortados na moldura. O PyTorch não tem Ftrl.

# %% [markdown]
# Cada painel da [Figura 18](#figure-library-defaults) é um nome, numa só escala. Quão longe uma da outra estão as linhas que atenderiam pelo mesmo nome? De cinco nomes, dois se distinguem pela acurácia de teste:
#
# - O SGD com os padrões do Keras não se distingue do SGD com os padrões do PyTorch em acurácia de teste (+31,9 pontos, intervalo de −12,7 a 76,4).
# - O RMSprop com os padrões do Keras não se distingue do RMSprop com os padrões do PyTorch em acurácia de teste (+6,5 pontos, intervalo de −14,2 a 27,1).
# - O Adam com os padrões do Keras não se distingue do Adam com os padrões do PyTorch em acurácia de teste (−0,1 pontos, intervalo de −0,6 a 0,5).
# - O Adagrad com os padrões do Keras alcança acurácia de teste menor que a do Adagrad com os padrões do PyTorch (−54,1 pontos, intervalo de −67,7 a −40,4).
# - O Adadelta com os padrões do Keras alcança acurácia de teste menor que a do Adadelta com os padrões do PyTorch (−62,7 pontos, intervalo de −70,6 a −54,8).
#
# Quanto disso se deve à taxa? No primeiro passo, nada além da biblioteca difere: os pesos, as imagens e, portanto, o gradiente são os mesmos. O SGD do Keras anda 10 vezes o que anda o do PyTorch, com 10 vezes a taxa; o Adadelta, 4,9 × 10⁻⁴ vezes, com 0,001 vezes a taxa; o Adagrad, 0,0055 vezes, com 0,1 vezes a taxa, e ali o resto vem do valor de que parte a soma.
#
# ### Dois que perdem na tabela de todo estudante
#
# O **Adadelta** \[[21](#source-zeiler2012)\] foi feito para não precisar de taxa de aprendizado: seu passo é o gradiente na unidade dos seus próprios passos anteriores, divididos pelos gradientes anteriores. O PyTorch mantém uma taxa de 1, o que é o mesmo que nenhuma. O Keras multiplica por 0,001, como na maioria dos seus otimizadores; a taxa do PyTorch é 1.000 vezes essa. Não é, portanto, a ideia que perde aqui, e sim um padrão.
#
# O **Ftrl** \[[22](#source-mcmahan2013)\], que o PyTorch não tem, calcula cada peso de novo a partir de somas sobre todos os gradientes. Com os padrões do Keras, e com $a$ o valor de que parte a soma dos quadrados, o seu primeiro passo é
#
# $$
# \theta_1 = \theta_0 \left(1 - \sqrt{\frac{a}{a + g_1^2}}\right) - \eta\, \frac{g_1}{\sqrt{a + g_1^2}} \tag{17}
# $$
#
# O que está entre os parênteses fica perto de zero onde quer que o gradiente seja pequeno: o começo aleatório, sem o qual as unidades de uma rede não podem começar a diferir, é apagado. Medido, o primeiro passo deixa 0,30 % do comprimento de todos os pesos. O que vem depois é um treino a partir de quase nada: no fim, a perda de validação é 2,303 ± 0,000, quando dar a mesma probabilidade a todas as classes custa 2,303, e a acurácia de teste é 10,0 ± 0,0 %, quando o palpite ao acaso tem 10,0 %. Se um começo conservado o salvaria, também em redes mais profundas, é assunto de um estudo próprio:

# %% [markdown]
# ```sh
# passo study run why-ftrl-loses
# ```

# %% [markdown]
# ### Uma agenda com as duas definições
#
# Agora a única diferença que nenhum padrão esconde. Dois treinos com SGD, o mesmo momento de 0,9, as mesmas taxas de aprendizado, o mesmo `StepLR`; só a definição do momento difere.
#
# <a id="figure-coasting"></a>

# %%
show("coasting")

# %% [markdown]
# **Figura 19.** Raiz da média dos quadrados de cada atualização sobre todos os pesos, primeira semente, mesmas taxas de aprendizado e mesmo momento; tracejado onde a taxa cai. Escala logarítmica.

# %% [markdown]
# O que importa na [Figura 19](#figure-coasting) são os passos logo depois da primeira linha tracejada. A taxa cai para 10 % do que era. O passo do PyTorch cai com ela, para 11 % dos dez anteriores; o do Keras está em 144 % e, dez passos depois, em 60 %. O buffer dele guarda passos dados com a taxa antiga e segue neles por inércia; em teoria, por cerca de $1/(1-\mu)$ passos, que são dez. O que isso faz com o resultado? O momento do Keras com StepLR não se distingue do momento do PyTorch com StepLR em acurácia de teste (−2,7 pontos, intervalo de −9,4 a 4,1).
#
# No papel, portanto, um nome é uma equação; num programa, é uma equação, suas constantes e seu começo. O remédio custa uma linha num artigo: escrever cada argumento, e de quem é a definição. Para ver o que há por trás de um nome, basta treinar com ele e ler os ajustes que foram guardados:

# %% [markdown]
# ```sh
# passo train dataset=fashion-mnist-sample model=tiny-cnn optimizer=keras-adadelta epochs=5 record.every=1
# ```

# %% [markdown]
# ## Como escolher um otimizador
#
#
# Todos perguntam qual é o melhor otimizador. Os experimentos de outros respondem que nenhum é, em todos os problemas, e que experimentar alguns com os ajustes de fábrica rende mais ou menos o mesmo que ajustar um só \[[23](#source-schmidt2021)\]. O que este estudo pode acrescentar? Ele experimentou cinco otimizadores com duas ou mais taxas de aprendizado constantes, com as mesmas imagens e a partir dos mesmos pesos. Podemos então perguntar o que importa mais: o nome ou a sua taxa.
#
# <a id="figure-rates"></a>

# %%
show("rates")

# %% [markdown]
# **Figura 20.** Acurácia média de teste de cada taxa de aprendizado constante testada, com as definições do PyTorch e do Keras sob um só nome; as hastes são intervalos de 95 % sobre as sementes.

# %% [markdown]
# A [Figura 20](#figure-rates) se lê primeiro ao longo de uma linha, depois de uma linha para outra. *Ao longo:* a taxa, sozinha, muda a acurácia média de `adadelta` em 63 pontos. *Entre as linhas:* com cada um dos cinco na melhor das taxas com que foi experimentado, o melhor e o último ficam a 13 pontos um do outro. A taxa importa mais que o nome, e de longe. Nada na teoria diz que tenha de ser assim; a teoria dá limites a cada otimizador na *sua* taxa. Na prática, uma comparação com uma só taxa, ou com os padrões de uma biblioteca, compara taxas.
#
# E o vencedor? Pode-se escolher só pelas imagens de validação e olhar o teste uma única vez. De todas as 29 configurações, a maior acurácia média de validação é a do Nesterov com OneCycleLR, 81,1 ± 6,0 %. Sua acurácia de teste é 77,2 ± 4,7 %. Das 28 outras, as sementes põem 13 abaixo dela e deixam 15 em aberto, cada par julgado por si. Com tanto em aberto, “o melhor” é um nome para a sorte.
#
# ### O que nós faríamos
#
# O resto é conselho: decorre das seções anteriores e do que outros mediram, não só deste estudo.
#
# - **Primeiro a taxa.** Um teste de faixa leva 97 mini-lotes. Seja qual for o otimizador, vem antes de tudo.
# - **Sem tempo para ajustes: Adam**, ou AdamW onde os pesos devem decair, com a taxa do teste de faixa. Seu passo é, no máximo, mais ou menos tão longo quanto a taxa, seja qual for o tamanho dos gradientes, de modo que um palpite sobre a taxa já vale muito.
# - **Com tempo para ajustes: SGD com momento de Nesterov e uma agenda que termine baixo.** Já se verificou que, ajustado com cuidado, ele generaliza ao menos tão bem em imagens \[[24](#source-wilson2017)\]. Com um $\varepsilon$ que afoga a raiz, o Adam se torna o SGD com momento amortecido: ajustado com folga suficiente, ele contém o outro \[[25](#source-choi2019)\]. Quem encontra um deles muito atrás, portanto, talvez não o tenha ajustado.
# - **O que cada um guarda.** O SGD puro não guarda nada; o momento, um número por peso; o Adam, dois. Nesta rede, são 6.344 e 12.688 bytes; numa que enche uma GPU, isso decide.
# - **Características raras, uma só camada:** Adagrad \[[20](#source-duchi2011)\] ou Ftrl \[[22](#source-mcmahan2013)\], feitos para elas. Redes recorrentes: RMSprop ou Adam, com corte de gradientes (*gradient clipping*).
# - **Comparar com justiça:** o mesmo número de taxas experimentadas para cada um, as mesmas sementes, escolha pela validação, e intervalos. Onde eles dizem “não se distingue”, fica-se com o que já se conhece.
#
# O que este estudo não pode dizer é quase todo o resto. Ele não ajustou seus otimizadores com orçamentos iguais, conhece uma rede pequena e um conjunto de dados, e seus treinos terminam depois de cinco épocas. Uma corrida mais justa, com as mesmas taxas para cada um, é um estudo que vem com o `passo`:

# %% [markdown]
# ```sh
# passo study run learning-rate
# passo compare learning-rate --by tuned --figure sensitivity
# ```

# %% [markdown]
# ## Um estudo publicado, repetido
#
# Uma nota técnica pública \[[26](#source-published)\] comparou os mesmos quatro otimizadores com todo o Fashion-MNIST e com a mesma rede, nos passos de um livro \[[27](#source-godoy2022)\]. Ela fez 14 treinos e imprimiu o que saiu de cada um: uma execução, de uma semente, sem intervalos. É assim que a maioria das comparações é publicada. O que dizem números assim?
#
# ### O que ela imprimiu e o que afirma
#
# Suas últimas perdas de validação foram 0,5840 para o SGD puro; 0,4836 para o SGD com momento; 0,4850 para o SGD com momento de Nesterov; 0,5176 para o Adam. O vencedor, por elas, é o SGD com momento. Uma tabela dessas se lê como um conjunto de afirmações: este otimizador vence aquele, esta agenda atrapalha. Mas uma afirmação é uma frase sobre todas as sementes, e o máximo que uma só semente pode fazer é não a contradizer.
#
# ### Teríamos imprimido a mesma coisa?
#
# Nossas três sementes fazem disso um pequeno experimento. Suponhamos que cada uma tivesse sido a única. Todas teriam apontado o SGD com momento de Nesterov. O vencedor publicado não é um dos que teríamos imprimido. Das afirmações publicadas, quatro dizem respeito a otimizadores que este estudo também treinou, com imagens e taxas próprias:
#
# *Diferenças do último valor da perda de validação, primeira menos segunda. A nota: uma semente, na parte de teste. As nossas: pareadas por semente, em imagens reservadas do treino, com intervalos de 95 % cada um isoladamente; p corrigido por Holm para 4 afirmações, distinguíveis a 0,05.*
#
# | afirmação | perda de validação: diferença publicada | nosso | sementes | como afirmado | p (Holm) | veredito |
# | --- | --- | --- | --- | --- | --- | --- |
# | o momento supera o SGD puro | −0,1004 | −0,419 [−1,291; 0,452] | 3 | 3 de 3 | 0,523 | não se pode dizer; sementes necessárias: cerca de 11 (4 ou mais) |
# | o momento de Nesterov e o comum diferem | +0,0014 | −0,0907 [−0,2180; 0,0367] | 3 | 3 de 3 | 0,368 | não se pode dizer; sementes necessárias: cerca de 7 (4 ou mais) |
# | Adam supera o SGD puro | −0,0664 | −0,374 [−1,384; 0,637] | 3 | 3 de 3 | 0,523 | não se pode dizer; sementes necessárias: cerca de 17 (4 ou mais) |
# | SGD com momento supera Adam | −0,0340 | −0,0456 [−0,2466; 0,1554] | 3 | 2 de 3 | 0,523 | não se pode dizer; sementes necessárias: cerca de 39 (5 ou mais) |
#
# De 4 afirmações, com 3 sementes se confirmam: 0; sem resposta: o momento supera o SGD puro, o momento de Nesterov e o comum diferem, Adam supera o SGD puro e SGD com momento supera Adam. A coluna *como afirmado* mostra quantas vezes uma só semente teria confirmado uma afirmação que três sementes juntas não conseguem decidir. Cada diferença é o primeiro menos o segundo, de modo que uma perda abaixo de zero fala pelo primeiro; $p$ é corrigido pelo número de afirmações com o método de Holm \[[28](#source-holm1979)\].
#
# ### A replicação
#
# Se as afirmações se sustentam com os ajustes da própria nota e com todas as imagens é assunto de um estudo próprio: as mesmas 14 configurações com muitas sementes, julgadas afirmação por afirmação. Ele não foi executado ao lado desta nota, e por isso não há o que dizer dele aqui. O comando abaixo o executa; da próxima vez que esta nota for escrita, os vereditos estarão neste lugar:

# %% [markdown]
# ```sh
# passo study run published-note
# ```

# %% [markdown]
# Antes de perguntar se um resultado se sustenta, é preciso poder obtê-lo: exatamente os dígitos que foram impressos, o que exige a mesma sequência de números aleatórios, os mesmos núcleos de cálculo e o mesmo número de threads. Também isso é um comando:

# %% [markdown]
# ```sh
# passo replicate --epochs-only 1 --runs optimisers-sgd
# ```

# %% [markdown]
# Na teoria, todos sabem que uma execução não é um resultado; na prática, mais de uma custa tempo. O caminho do meio é dizer quantas foram, e deixar que as palavras obedeçam.

# %% [markdown]
# ## O que se aprendeu
#
# Isto é tudo o que foi treinado, e são estas as frases que levamos conosco. Os números são desta execução, e as palavras foram escolhidas por eles.
#
# *Todas as configurações, pela acurácia média de teste; ± é metade do intervalo.*
#
# | configuração | ajustes | acurácia de teste | perda de teste | última perda de treino |
# | --- | --- | --- | --- | --- |
# | Nesterov com OneCycleLR | η 0,03; μ 0,9; `OneCycleLR` (max_lr 0,06) | 77,2 ± 4,7 % | 0,627 ± 0,050 | 0,580 ± 0,043 |
# | Nesterov com StepLR | η 0,03; μ 0,9; `StepLR` (step_size 2 epochs; gamma 0,3) | 76,1 ± 4,8 % | 0,656 ± 0,106 | 0,602 ± 0,071 |
# | Nesterov com ReduceLROnPlateau | η 0,03; μ 0,9; `ReduceLROnPlateau` (factor 0,3; patience 0; threshold 0,05) | 75,7 ± 5,3 % | 0,678 ± 0,096 | 0,587 ± 0,049 |
# | SGD com momento de Nesterov | η 0,03; μ 0,9 | 75,5 ± 5,7 % | 0,664 ± 0,096 | 0,605 ± 0,082 |
# | Adam com a taxa do teste de faixa | η 0,013 | 75,4 ± 9,0 % | 0,673 ± 0,140 | 0,613 ± 0,119 |
# | RMSprop | η 0,003 | 74,8 ± 1,6 % | 0,697 ± 0,022 | 0,642 ± 0,104 |
# | Nesterov com CyclicLR `triangular2` | η 0,007; μ 0,9; `CyclicLR` (base_lr 0,007; max_lr 0,07; step_size_up 1 epoch; mode triangular2) | 74,7 ± 4,7 % | 0,687 ± 0,057 | 0,603 ± 0,066 |
# | Momento do PyTorch com StepLR | η 0,03; μ 0,9; `StepLR` (step_size 2 epochs; gamma 0,1) | 73,6 ± 3,6 % | 0,709 ± 0,045 | 0,679 ± 0,086 |
# | Adam | η 0,003 | 73,2 ± 8,1 % | 0,741 ± 0,076 | 0,748 ± 0,171 |
# | AdamW | η 0,003; λ 0,01 | 72,9 ± 7,9 % | 0,739 ± 0,077 | 0,749 ± 0,169 |
# | SGD com momento | η 0,03; μ 0,9 | 72,8 ± 5,7 % | 0,740 ± 0,098 | 0,661 ± 0,130 |
# | Nesterov com CyclicLR | η 0,03; μ 0,9; `CyclicLR` (base_lr 0,003; max_lr 0,06; step_size_up 1 epoch; mode triangular) | 72,8 ± 1,2 % | 0,758 ± 0,171 | 0,656 ± 0,204 |
# | Adam com β₂ curto | η 0,003; β₁ 0,9; β₂ 0,9 | 72,2 ± 5,5 % | 0,752 ± 0,067 | 0,751 ± 0,176 |
# | Adadelta com os padrões do PyTorch | η 1 | 71,7 ± 1,8 % | 0,765 ± 0,111 | 0,724 ± 0,143 |
# | Adam sem β₁ | η 0,003; β₁ 0; β₂ 0,999 | 70,9 ± 1,5 % | 0,805 ± 0,151 | 0,755 ± 0,171 |
# | Momento do Keras com StepLR | η 0,03; μ 0,9; `StepLR` (step_size 2 epochs; gamma 0,1) | 70,9 ± 5,5 % | 0,783 ± 0,183 | 0,758 ± 0,202 |
# | Adagrad com os padrões do PyTorch | η 0,01 | 70,4 ± 2,0 % | 0,838 ± 0,088 | 0,838 ± 0,148 |
# | Adam com os padrões do PyTorch | η 0,001 | 69,1 ± 0,7 % | 0,852 ± 0,079 | 0,887 ± 0,165 |
# | Adam com os padrões do Keras | η 0,001 | 69,0 ± 0,6 % | 0,852 ± 0,076 | 0,887 ± 0,162 |
# | RMSprop com os padrões do Keras | η 0,001 | 68,0 ± 1,7 % | 0,888 ± 0,099 | 0,908 ± 0,129 |
# | SGD com momento amortecido | η 0,03; μ 0,9; τ 0,9 | 66,6 ± 8,1 % | 0,888 ± 0,194 | 0,928 ± 0,178 |
# | Adam com ε grande | η 0,003; ε 0,1 | 63,8 ± 3,2 % | 0,983 ± 0,267 | 1,067 ± 0,445 |
# | SGD puro | η 0,03 | 62,1 ± 15,6 % | 1,125 ± 0,973 | 0,941 ± 0,182 |
# | RMSprop com os padrões do PyTorch | η 0,01 | 61,5 ± 20,3 % | 1,025 ± 0,379 | 0,928 ± 0,457 |
# | SGD com os padrões do Keras | η 0,01 | 42,1 ± 36,4 % | 1,593 ± 1,028 | 1,706 ± 0,942 |
# | Adagrad com os padrões do Keras | η 0,001 | 16,4 ± 15,6 % | 2,256 ± 0,187 | 2,261 ± 0,168 |
# | SGD com os padrões do PyTorch | η 0,001 | 10,2 ± 9,2 % | 2,300 ± 0,068 | 2,300 ± 0,062 |
# | Ftrl com os padrões do Keras | η 0,001 | 10,0 ± 0,0 % | 2,303 ± 0,000 | 2,303 ± 0,000 |
# | Adadelta com os padrões do Keras | η 0,001 | 9,0 ± 9,2 % | 2,319 ± 0,026 | 2,318 ± 0,024 |
#
# - **Uma suavização, quatro nomes.** α, β, períodos e idade média dizem a mesma coisa. $\beta$ = 0,9 lembra 19 períodos, $\beta$ = 0,999 lembra 1.999; o treino inteiro tem 215 passos.
# - **A correção de viés termina quando a memória está cheia, não antes.** No último passo deste treino, ela multiplicava $v_t$ por 5,17.
# - **O passo do Adam é um sinal vezes uma concordância.** O primeiro passo tem o tamanho da taxa de aprendizado; depois disso, metade dos passos de `conv1.weight[0, 0, 2, 2]` foi menor que 38 % dela.
# - **ε é um botão de ajuste, não uma casa decimal.** O Adam com ε grande alcança acurácia de teste menor que a do Adam (−9,3 pontos, intervalo de −18,1 a −0,6).
# - **O momento suaviza, e alonga o passo.** O amortecimento tira a segunda parte. O SGD com momento amortecido não se distingue do SGD com momento em acurácia de teste (−6,2 pontos, intervalo de −19,9 a 7,5).
# - **O passo de Nesterov é o passo do momento um passo mais tarde.** O SGD com momento de Nesterov alcança acurácia de teste maior que a do SGD com momento (+2,7 pontos, intervalo de 0,1 a 5,3).
# - **De um agendador se pergunta quando ele dá seus passos** antes de se perguntar por sua curva.
# - **Um nome não é um ajuste.** De cinco nomes com os padrões de duas bibliotecas, dois se distinguem pelos resultados; com todos os argumentos iguais, o passo depois de uma queda da taxa é 11 % dos anteriores no PyTorch e 144 % no Keras.
# - **A taxa vem antes do nome.** `adadelta`, sozinho, muda 63 pontos com a sua taxa; cinco otimizadores, cada um na sua melhor, ficam a 13 pontos uns dos outros.
# - **Uma semente imprime um número, não um resultado.** De quatro afirmações publicadas, com as três sementes deste estudo, nenhuma se confirma, nenhuma se contradiz e quatro ficam em aberto.
# - **As equações dão conta de cada passo:** 1.720 passos observados, pior resíduo de 2,8 arredondamentos.
#
# ### O que a perda mede
#
# Todos estes treinos minimizam a entropia cruzada; uma última palavra, portanto, sobre o que ela é. Um rótulo é uma distribuição $p$ sobre as dez classes, com todo o peso em uma delas. Uma previsão é outra distribuição, $q$. A entropia cruzada se divide em duas partes:
#
# $$
# H(p, q) = -\sum_c p_c \log q_c = H(p) + \mathrm{KL}(p \,\|\, q) \tag{18}
# $$
#
# A primeira parte é a incerteza do próprio rótulo, que é zero. O que resta é a divergência de Kullback–Leibler: quão longe da verdade está a previsão. (Não é uma distância em sentido estrito \[[29](#source-kullback1951)\], pois não é a mesma nos dois sentidos. Mas só é zero onde as duas coincidem.) Com rótulos de um só 1 (*one-hot*), ela é simplesmente $-\log q_y$, a surpresa na classe verdadeira.
#
# <a id="figure-cross-entropy"></a>

# %%
show("cross-entropy")

# %% [markdown]
# **Figura 21.** Previsões de adam-final-s0 no teste. À esquerda: a distribuição prevista média para cada classe verdadeira, em porcentagem (a partir de 0,5 %). À direita: a entropia cruzada H(p, q) = KL(p ‖ q), pois a entropia do próprio rótulo é 0; tracejado, um palpite uniforme.

# %% [markdown]
# Para `adam-final`, semente 0, a média sobre as imagens de teste é de 0,659 nats; quem não sabe nada e dá a mesma probabilidade a todas as classes paga $\log 10$, que é 2,303. Dito de outro modo: a probabilidade que a rede dá à classe verdadeira é 51,7 %, em média geométrica. A conta não se divide por igual. O décimo das imagens com as piores previsões responde por 44 % dela, e o maior peso posto no lugar errado vai de *Coat* para *Pullover*.
#
# As previsões têm também uma entropia própria: 0,600 nats em média. Essa é a perda que a rede *espera* de si mesma. O que ela paga é mais ou menos isso: sabe bastante bem quanto sabe. A sua confiança média é 76,1 %, e a sua acurácia, 74,2 %.
#
# ### O que esta nota não diz
#
# Três sementes, cinco épocas, um conjunto de dados e uma rede pequena não bastam para ordenar otimizadores, e o que vale para 1.586 pesos não precisa valer para muitos mais. As taxas de aprendizado foram escolhidas à mão, exceto onde o teste de faixa as escolheu, de modo que uma configuração pode ter perdido por sua taxa, e não por sua ideia. Cada comparação vale por si: com intervalos de 95 % e muitos pares, cerca de um em cada 20 pares de iguais pareceria diferente por acaso. E, nos gráficos, o microscópio acompanha um só peso, da primeira semente; as estatísticas e o resíduo cobrem todos eles.
#
# ### Para olhar de perto
#
# A pasta do estudo contém cada número usado aqui. Ela pode ser aberta sem o PyTorch, e tudo pode ser mudado:

# %%
import passo

study = passo.open("passo-runs/optimizers")
print(passo.compare(study).table())  # com intervalos
passo.draw("adapted-gradients", study).chart  # qualquer figura, pelo nome

# %% [markdown]
# (Esta se chama `optimizers`.) Ou pode-se mudar uma coisa e rodar de novo, com todas as imagens, por exemplo, ou com mais épocas. Os números mudarão, e as palavras também:

# %% [markdown]
# ```sh
# passo note optimizers --dataset fashion-mnist --lang pt-BR
# passo note optimizers --set epochs=20 --lang pt-BR
# ```

# %% [markdown]
# ## Fontes
#
# 7. <a id="source-torch"></a>Documentação do PyTorch, “torch.optim”, pytorch.org/docs.
# 17. <a id="source-smith2017"></a>L. N. Smith, “Cyclical learning rates for training neural networks”, *WACV*, 2017.
# 19. <a id="source-keras"></a>Documentação do Keras, “Optimizers”, keras.io/api/optimizers.
# 20. <a id="source-duchi2011"></a>J. Duchi, E. Hazan, Y. Singer, “Adaptive subgradient methods”, *JMLR* 12, 2011.
# 21. <a id="source-zeiler2012"></a>M. D. Zeiler, “ADADELTA: an adaptive learning rate method”, arXiv:1212.5701, 2012.
# 22. <a id="source-mcmahan2013"></a>H. B. McMahan et al., “Ad click prediction: a view from the trenches”, *KDD*, 2013.
# 23. <a id="source-schmidt2021"></a>R. M. Schmidt, F. Schneider, P. Hennig, “Descending through a crowded valley: benchmarking deep learning optimizers”, *ICML*, 2021.
# 24. <a id="source-wilson2017"></a>A. C. Wilson et al., “The marginal value of adaptive gradient methods in machine learning”, *NeurIPS*, 2017.
# 25. <a id="source-choi2019"></a>D. Choi et al., “On empirical comparisons of optimizers for deep learning”, arXiv:1910.05446, 2019.
# 26. <a id="source-published"></a>Nota técnica sobre o Fashion-MNIST, repositório público *JuliaAlanne/MLOps*, Unidade 3.
# 27. <a id="source-godoy2022"></a>D. V. Godoy, *Deep Learning with PyTorch Step-by-Step*, 2022.
# 28. <a id="source-holm1979"></a>S. Holm, “A simple sequentially rejective multiple test procedure”, *Scand. J. Statistics* 6, 1979.
# 29. <a id="source-kullback1951"></a>S. Kullback, R. A. Leibler, “On information and sufficiency”, *Ann. Math. Statistics* 22, 1951.
