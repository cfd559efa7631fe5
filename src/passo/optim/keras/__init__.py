"""Keras' definitions of eight optimisers, as ordinary torch optimizers: `passo.optim.keras.Adam(model.parameters())`.

The names are those of PyTorch and the equations are not: ε stands elsewhere, learning rates live inside momentum, sums
start above zero, defaults differ. `docs/keras.md` sets the two side by side. Arguments carry torch's names:

    here                       in Keras                      in
    lr                         learning_rate                 all
    weight_decay               weight_decay                  all: decoupled, before the update, 0 stands for None
    betas                      beta_1, beta_2                Adam, Adamax, Nadam
    eps                        epsilon                       all but SGD and Ftrl
    alpha                      rho                           RMSprop
    rho                        rho                           Adadelta
    l1, l2, l2_shrinkage       l1_regularization_strength …  Ftrl

All others are called alike. Source: keras 3.15 `keras/src/optimizers/`; the tests hold each class to it.
"""

from passo.optim.keras.adagrad import Adadelta, Adagrad
from passo.optim.keras.adam import Adam, Adamax, Nadam
from passo.optim.keras.ftrl import Ftrl
from passo.optim.keras.optimizer import KerasOptimizer
from passo.optim.keras.sgd import SGD, RMSprop

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "KerasOptimizer", "Nadam", "RMSprop"]
