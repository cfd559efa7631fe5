"""What the notes on the shipped studies cite beside `references.REFERENCES`, by key. Inline Markdown."""

from __future__ import annotations

LITERATURE: dict[str, str] = {
    "ba2016": "J. L. Ba, J. R. Kiros, G. E. Hinton, “Layer normalization”, arXiv:1607.06450, 2016.",
    "bengio1994": "Y. Bengio, P. Simard, P. Frasconi, “Learning long-term dependencies with gradient descent is "
    "difficult”, *IEEE Trans. Neural Networks* 5, 1994.",
    "bergstra2012": "J. Bergstra, Y. Bengio, “Random search for hyper-parameter optimization”, *JMLR* 13, 2012.",
    "bonneel2015": "N. Bonneel et al., “Sliced and Radon Wasserstein barycenters of measures”, *J. Math. Imaging "
    "Vis.* 51, 2015.",
    "cho2014": "K. Cho et al., “Learning phrase representations using RNN encoder–decoder”, *EMNLP*, 2014.",
    "glorot2010": "X. Glorot, Y. Bengio, “Understanding the difficulty of training deep feedforward neural networks”, "
    "*AISTATS*, 2010.",
    "goodfellow2014": "I. Goodfellow et al., “Generative adversarial nets”, *NeurIPS*, 2014.",
    "he2015": "K. He et al., “Delving deep into rectifiers”, *ICCV*, 2015.",
    "hendrycks2016": "D. Hendrycks, K. Gimpel, “Gaussian error linear units”, arXiv:1606.08415, 2016.",
    "hinton2006": "G. E. Hinton, R. R. Salakhutdinov, “Reducing the dimensionality of data with neural networks”, "
    "*Science* 313, 2006.",
    "hochreiter1997": "S. Hochreiter, J. Schmidhuber, “Long short-term memory”, *Neural Computation* 9, 1997.",
    "ioffe2015": "S. Ioffe, C. Szegedy, “Batch normalization”, *ICML*, 2015.",
    "krogh1992": "A. Krogh, J. A. Hertz, “A simple weight decay can improve generalization”, *NeurIPS*, 1992.",
    "lecun1998b": "Y. LeCun et al., “Efficient BackProp”, *Neural Networks: Tricks of the Trade*, 1998.",
    "mccandlish2018": "S. McCandlish et al., “An empirical model of large-batch training”, arXiv:1812.06162, 2018.",
    "nair2010": "V. Nair, G. E. Hinton, “Rectified linear units improve restricted Boltzmann machines”, *ICML*, 2010.",
    "radford2016": "A. Radford, L. Metz, S. Chintala, “Unsupervised representation learning with deep convolutional "
    "generative adversarial networks”, *ICLR*, 2016.",
    "salimans2016": "T. Salimans et al., “Improved techniques for training GANs”, *NeurIPS*, 2016.",
    "santurkar2018": "S. Santurkar et al., “How does batch normalization help optimization?”, *NeurIPS*, 2018.",
    "simonyan2015": "K. Simonyan, A. Zisserman, “Very deep convolutional networks for large-scale image recognition”, "
    "*ICLR*, 2015.",
    "srivastava2014": "N. Srivastava et al., “Dropout”, *JMLR* 15, 2014.",
    "tibshirani1996": "R. Tibshirani, “Regression shrinkage and selection via the lasso”, *J. R. Statist. "
    "Soc. B* 58, 1996.",
    "wu2018": "Y. Wu, K. He, “Group normalization”, *ECCV*, 2018.",
}
