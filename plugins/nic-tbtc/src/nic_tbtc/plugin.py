"""What nic-tbtc brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, EFFORT, CheckpointSpec, CodecSpec, ImporterSpec, RecipeSpec

from nic_tbtc.tcm import published

api_version = "1.2"

PAPER = "Zhu, Yang, Cohen: Transformer-based Transform Coding, ICLR 2022"
CODECS = {
    "tbtc-conv-hyperprior": "Convolutions with GDN, mean-scale hyperprior.",
    "tbtc-conv-charm": "Convolutions with GDN, channel-wise context.",
    "tbtc-swint-hyperprior": "Swin transformers, mean-scale hyperprior.",
    "tbtc-swint-charm": "Swin transformers, channel-wise context.",
}
CHECKPOINTS = {
    "tbtc-conv-hyperprior": "1RyDmDDqrIwkVvVvH3HlPfwAoK4jmWY97",
    "tbtc-conv-charm": "1_UwLe_hwxKDnT-Nd4jrBTZdqFNygK0j2",
    "tbtc-swint-hyperprior": "1FS5t5kOZloUwdJr-DEOP-XSFYUdNj5gq",
    "tbtc-swint-charm": "1i7Q1S74b2f2kar76dVSPRH2C-Nu0p6ou",
}
"""Files on Google Drive, size M, lambda 0.01."""
TCM = "Liu, Sun, Katto: Learned Image Compression with Mixed Transformer-CNN Architectures, CVPR 2023"


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The four models, and TCM."""
    for codec, summary in CODECS.items():
        graphs = "" if "-swint-" in codec else "nic_tbtc.graphs:TbtcGraphs"
        yield CodecSpec(codec, "nic_tbtc.codec:TbtcCodec", summary, PAPER, (EFFORT, DECODER), graphs=graphs)
    summary = "Convolutions beside Swin transformers, five slices with Swin attention."
    yield CodecSpec("tcm", "nic_tbtc.tcm.codec:TcmCodec", summary, TCM, (EFFORT, DECODER))


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The readers of the published checkpoints."""
    for codec in CODECS:
        yield ImporterSpec(
            codec,
            "nic_tbtc.importer:import_checkpoint",
            "Checkpoints of the public PyTorch implementation (ali-zafari/TBTC), any size.",
            exporter="nic_tbtc.importer:export_checkpoint",
        )
    yield ImporterSpec(
        "tcm",
        "nic_tbtc.tcm.importer:import_checkpoint",
        "Checkpoints of the public PyTorch implementation (jmliu206/LIC_TCM), any size.",
        exporter="nic_tbtc.tcm.importer:export_checkpoint",
    )


@hookimpl
def nic_checkpoints() -> Iterator[CheckpointSpec]:
    """The checkpoints of the public PyTorch implementation, and those of TCM."""
    for codec, file in CHECKPOINTS.items():
        yield CheckpointSpec(
            codec,
            f"{codec}-0.01",
            f"https://drive.google.com/file/d/{file}",
            0.01,
            page="https://github.com/ali-zafari/TBTC",
        )
    yield from published.checkpoints()


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The papers' training, for each model."""
    for codec in CODECS:
        yield RecipeSpec(
            name=codec,
            codec=codec,
            target="nic_tbtc.recipe:TbtcRecipe",
            summary="As published: crops not mirrored, gradients clipped at 10.",
        )
    yield RecipeSpec(
        name="tcm",
        codec="tcm",
        target="nic_tbtc.tcm.recipe:TcmRecipe",
        summary="As published: crops not mirrored, gradients clipped at 1.",
    )
