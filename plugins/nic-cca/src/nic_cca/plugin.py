"""What nic-cca brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, ImporterSpec, RecipeSpec

api_version = "1.0"


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The codec."""
    yield CodecSpec(
        id="cca",
        target="nic_cca.codec:CcaCodec",
        graphs="nic_cca.graphs:CcaGraphs",
        summary="NAF blocks, five uneven slices with latent residual prediction.",
        paper="Han et al.: Causal Context Adjustment Loss for Learned Image Compression, NeurIPS 2024",
    )


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the published checkpoints."""
    yield ImporterSpec(
        "cca",
        "nic_cca.importer:import_checkpoint",
        "Checkpoints of the public PyTorch implementation (LabShuHangGU/CCA), any size.",
    )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The paper's training."""
    yield RecipeSpec(
        name="cca",
        codec="cca",
        target="nic_cca.recipe:CcaRecipe",
        summary="As published: crops not mirrored, gradients clipped at 1.",
    )
