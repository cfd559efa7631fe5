"""What the notes cite, by key. Inline Markdown; a note lists only those that it cites."""

from __future__ import annotations

REFERENCES: dict[str, str] = {
    "adebayo2018": "J. Adebayo et al., “Sanity checks for saliency maps”, *NeurIPS*, 2018.",
    "buda2018": "M. Buda et al., “A systematic study of the class imbalance problem in convolutional neural "
    "networks”, *Neural Networks* 106, 2018.",
    "cui2019": "Y. Cui et al., “Class-balanced loss based on effective number of samples”, *CVPR*, 2019.",
    "guo2017": "C. Guo et al., “On calibration of modern neural networks”, *ICML*, 2017.",
    "hendrycks2019": "D. Hendrycks, T. Dietterich, “Benchmarking neural network robustness”, *ICLR*, 2019.",
    "holm1979": "S. Holm, “A simple sequentially rejective multiple test procedure”, *Scand. J. Statistics* 6, 1979.",
    "kingma2015": "D. P. Kingma, J. Ba, “Adam: a method for stochastic optimization”, *ICLR*, 2015.",
    "kokhlikyan2020": "N. Kokhlikyan et al., “Captum”, arXiv:2009.07896, 2020.",
    "krizhevsky2009": "A. Krizhevsky, *Learning multiple layers of features from tiny images*, University of Toronto, "
    "2009.",
    "lecun1998": "Y. LeCun et al., “Gradient-based learning applied to document recognition”, *Proc. IEEE* 86, 1998.",
    "maaten2008": "L. van der Maaten, G. Hinton, “Visualizing data using t-SNE”, *JMLR* 9, 2008.",
    "paszke2019": "A. Paszke et al., “PyTorch”, *NeurIPS*, 2019.",
    "pedregosa2011": "F. Pedregosa et al., “Scikit-learn”, *JMLR* 12, 2011.",
    "petsiuk2018": "V. Petsiuk et al., “RISE: randomized input sampling for explanation”, *BMVC*, 2018.",
    "selvaraju2017": "R. R. Selvaraju et al., “Grad-CAM”, *ICCV*, 2017.",
    "simonyan2014": "K. Simonyan et al., “Deep inside convolutional networks”, *ICLR workshop*, 2014.",
    "smith2018": "L. N. Smith, N. Topin, “Super-convergence”, arXiv:1708.07120, 2018.",
    "viering2023": "T. Viering, M. Loog, “The shape of learning curves”, *IEEE TPAMI* 45, 2023.",
    "xiao2017": "H. Xiao et al., “Fashion-MNIST”, arXiv:1708.07747, 2017.",
}
"""Titles without their subtitles: a page is short."""

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
