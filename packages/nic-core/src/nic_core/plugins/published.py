"""The codecs that nic's own distributions bring: the only ones that a user is told to install.

Other names, of which anyone can make a package, stand in files and on command lines.
"""

DISTRIBUTIONS = {
    "cca": "nic-cca",
    "egic": "nic-egic",
    "mini": "nic-mini",
    "taco": "nic-taco",
    "tbtc-conv-charm": "nic-tbtc",
    "tbtc-conv-hyperprior": "nic-tbtc",
    "tbtc-swint-charm": "nic-tbtc",
    "tbtc-swint-hyperprior": "nic-tbtc",
    "tcm": "nic-tbtc",
    "textsketch-ntc": "nic-textsketch",
    "textsketch-pic": "nic-textsketch",
    "textsketch-pics": "nic-textsketch",
}
"""Distributions by the ids of their codecs."""

DECODERS = {("mini", "fast"): "nic-mini"}
"""Distributions by codec and decoder: those that bring a synthesis of this name for files of their weights."""

DEFAULT = "nic-mini"
"""The distribution of the codec to begin with."""

BASE = ("nic-core", "nic-native", "nic-latent", "nic-nn")
"""The distributions that bring no codec."""

ENGINES = {"ray": "nic-ray"}
"""Distributions by the engines that they bring."""

TOOLS = ("nic-train", "nic-eval", "nic-zarr", *ENGINES.values())
"""Those that bring verbs of the command, engines for them, or codecs to other programs."""
