"""What the notes cite, by key. Inline Markdown; a note lists only those that it cites."""

from __future__ import annotations

from passo.language import later

REFERENCES: dict[str, str] = {
    "adebayo2018": "J. Adebayo et al., “Sanity checks for saliency maps”, *NeurIPS*, 2018.",
    "balles2018": "L. Balles, P. Hennig, “Dissecting Adam: the sign, magnitude and variance of stochastic gradients”, "
    "*ICML*, 2018.",
    "bouthillier2021": "X. Bouthillier et al., “Accounting for variance in machine learning benchmarks”, *MLSys*, "
    "2021.",
    "buda2018": "M. Buda et al., “A systematic study of the class imbalance problem in convolutional neural "
    "networks”, *Neural Networks* 106, 2018.",
    "choi2019": "D. Choi et al., “On empirical comparisons of optimizers for deep learning”, arXiv:1910.05446, 2019.",
    "cui2019": "Y. Cui et al., “Class-balanced loss based on effective number of samples”, *CVPR*, 2019.",
    "duchi2011": "J. Duchi, E. Hazan, Y. Singer, “Adaptive subgradient methods”, *JMLR* 12, 2011.",
    "godoy2022": "D. V. Godoy, *Deep Learning with PyTorch Step-by-Step*, 2022.",
    "goh2017": "G. Goh, “Why momentum really works”, *Distill*, 2017.",
    "guo2017": "C. Guo et al., “On calibration of modern neural networks”, *ICML*, 2017.",
    "hendrycks2019": "D. Hendrycks, T. Dietterich, “Benchmarking neural network robustness”, *ICLR*, 2019.",
    "holm1979": "S. Holm, “A simple sequentially rejective multiple test procedure”, *Scand. J. Statistics* 6, 1979.",
    "hunter1986": "J. S. Hunter, “The exponentially weighted moving average”, *J. Quality Technology* 18, 1986.",
    "keras": later("Keras documentation, “Optimizers”, keras.io/api/optimizers."),
    "kingma2015": "D. P. Kingma, J. Ba, “Adam: a method for stochastic optimization”, *ICLR*, 2015.",
    "kokhlikyan2020": "N. Kokhlikyan et al., “Captum”, arXiv:2009.07896, 2020.",
    "krizhevsky2009": "A. Krizhevsky, *Learning multiple layers of features from tiny images*, University of Toronto, "
    "2009.",
    "kullback1951": "S. Kullback, R. A. Leibler, “On information and sufficiency”, *Ann. Math. Statistics* 22, 1951.",
    "lecun1998": "Y. LeCun et al., “Gradient-based learning applied to document recognition”, *Proc. IEEE* 86, 1998.",
    "loshchilov2017": "I. Loshchilov, F. Hutter, “SGDR: stochastic gradient descent with warm restarts”, *ICLR*, 2017.",
    "loshchilov2019": "I. Loshchilov, F. Hutter, “Decoupled weight decay regularization”, *ICLR*, 2019.",
    "maaten2008": "L. van der Maaten, G. Hinton, “Visualizing data using t-SNE”, *JMLR* 9, 2008.",
    "mcmahan2013": "H. B. McMahan et al., “Ad click prediction: a view from the trenches”, *KDD*, 2013.",
    "nesterov1983": "Y. Nesterov, “A method of solving a convex programming problem with convergence rate O(1/k²)”, "
    "*Soviet Math. Doklady* 27, 1983.",
    "paszke2019": "A. Paszke et al., “PyTorch”, *NeurIPS*, 2019.",
    "pedregosa2011": "F. Pedregosa et al., “Scikit-learn”, *JMLR* 12, 2011.",
    "petsiuk2018": "V. Petsiuk et al., “RISE: randomized input sampling for explanation”, *BMVC*, 2018.",
    "polyak1964": "B. T. Polyak, “Some methods of speeding up the convergence of iteration methods”, *USSR Comput. "
    "Math. Math. Phys.* 4, 1964.",
    "published": later("Technical note on Fashion-MNIST, public repository *JuliaAlanne/MLOps*, Unidade 3."),
    "robbins1951": "H. Robbins, S. Monro, “A stochastic approximation method”, *Ann. Math. Statistics* 22, 1951.",
    "schmidt2021": "R. M. Schmidt, F. Schneider, P. Hennig, “Descending through a crowded valley: benchmarking deep "
    "learning optimizers”, *ICML*, 2021.",
    "selvaraju2017": "R. R. Selvaraju et al., “Grad-CAM”, *ICCV*, 2017.",
    "simonyan2014": "K. Simonyan et al., “Deep inside convolutional networks”, *ICLR workshop*, 2014.",
    "smith2017": "L. N. Smith, “Cyclical learning rates for training neural networks”, *WACV*, 2017.",
    "smith2018": "L. N. Smith, N. Topin, “Super-convergence”, arXiv:1708.07120, 2018.",
    "student1908": "Student, “The probable error of a mean”, *Biometrika* 6, 1908.",
    "sutskever2013": "I. Sutskever et al., “On the importance of initialization and momentum in deep learning”, "
    "*ICML*, 2013.",
    "tieleman2012": "T. Tieleman, G. Hinton, “Lecture 6.5: RMSprop”, *Neural Networks for Machine Learning*, 2012.",
    "torch": later("PyTorch documentation, “torch.optim”, pytorch.org/docs."),
    "viering2023": "T. Viering, M. Loog, “The shape of learning curves”, *IEEE TPAMI* 45, 2023.",
    "wilson2017": "A. C. Wilson et al., “The marginal value of adaptive gradient methods in machine learning”, "
    "*NeurIPS*, 2017.",
    "xiao2017": "H. Xiao et al., “Fashion-MNIST”, arXiv:1708.07747, 2017.",
    "zeiler2012": "M. D. Zeiler, “ADADELTA: an adaptive learning rate method”, arXiv:1212.5701, 2012.",
}
"""Titles without their subtitles: a page is short. Titles stay as they were published, other words are translated."""

DATA = {
    "mnist": "lecun1998",
    "fashion-mnist": "xiao2017",
    "fashion-mnist-sample": "xiao2017",
    "cifar10": "krizhevsky2009",
}
"""Where a data set was published, by its name."""

OPTIMIZERS = {"adam": "kingma2015"}
NAMES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "nadam": "NAdam", "radam": "RAdam"}
SCHEDULES = {"OneCycleLR": "smith2018"}
