"""What nic-tbtc brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, ImporterSpec, RecipeSpec

api_version = "1.0"

PAPER = "Zhu, Yang, Cohen: Transformer-based Transform Coding, ICLR 2022"
CODECS = {
    "tbtc-conv-hyperprior": "Convolutions with GDN, mean-scale hyperprior.",
    "tbtc-conv-charm": "Convolutions with GDN, channel-wise context.",
    "tbtc-swint-hyperprior": "Swin transformers, mean-scale hyperprior.",
    "tbtc-swint-charm": "Swin transformers, channel-wise context.",
}
TCM = "Liu, Sun, Katto: Learned Image Compression with Mixed Transformer-CNN Architectures, CVPR 2023"


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The four models, and TCM."""
    for codec, summary in CODECS.items():
        graphs = "" if "-swint-" in codec else "nic_tbtc.graphs:TbtcGraphs"
        yield CodecSpec(codec, "nic_tbtc.codec:TbtcCodec", summary, PAPER, graphs=graphs)
    summary = "Convolutions beside Swin transformers, five slices with Swin attention."
    yield CodecSpec("tcm", "nic_tbtc.tcm.codec:TcmCodec", summary, TCM)


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The readers of the published checkpoints."""
    for codec in CODECS:
        yield ImporterSpec(
            codec,
            "nic_tbtc.importer:import_checkpoint",
            "Checkpoints of the public PyTorch implementation (ali-zafari/TBTC), any size.",
        )
    yield ImporterSpec(
        "tcm",
        "nic_tbtc.tcm.importer:import_checkpoint",
        "Checkpoints of the public PyTorch implementation (jmliu206/LIC_TCM), any size.",
    )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The papers' training, for each model."""
    for codec in CODECS:
        yield RecipeSpec(name=codec, codec=codec, target="nic_tbtc.recipe:TbtcRecipe", summary="As in the paper.")
    yield RecipeSpec(name="tcm", codec="tcm", target="nic_tbtc.tcm.recipe:TcmRecipe", summary="As in the paper.")
