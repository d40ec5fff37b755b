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


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The four models."""
    for codec, summary in CODECS.items():
        graphs = "" if "-swint-" in codec else "nic_tbtc.graphs:TbtcGraphs"
        yield CodecSpec(codec, "nic_tbtc.codec:TbtcCodec", summary, PAPER, graphs=graphs)


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the published checkpoints."""
    for codec in CODECS:
        yield ImporterSpec(
            codec,
            "nic_tbtc.importer:import_checkpoint",
            "Checkpoints of the public PyTorch implementation (ali-zafari/TBTC), any size.",
        )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The paper's training, for each model."""
    for codec in CODECS:
        yield RecipeSpec(
            name=codec,
            codec=codec,
            target="nic_tbtc.recipe:TbtcRecipe",
            summary="As published: crops not mirrored, gradients clipped at 10.",
        )
