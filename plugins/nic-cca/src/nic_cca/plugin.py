"""What nic-cca brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, EFFORT, CheckpointSpec, CodecSpec, ImporterSpec, RecipeSpec

api_version = "1.2"

CHECKPOINTS = {
    0.3: "1gAUvZKKzlh0Tuo22kTMIxNmUZlXogpRO",
    0.85: "1K3veWSXFtANS71LY-ksiMXiNjIqL_mL1",
    1.8: "17KRA3NYxuNyszhIIR9HGC0ODPx9HcDyB",
    3.5: "1gION784PtjcxAzIgdb-eSjhuZkeG9z_l",
}
"""Files on Google Drive by beta, which the paper calls lambda."""


def tradeoff(beta: float) -> float:
    """Return the weight of 255^2 MSE against a bit per pixel: lambda is 0.05, and the loss has the rate once more."""
    return 0.05 / (beta + 1)


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The codec."""
    yield CodecSpec(
        id="cca",
        target="nic_cca.codec:CcaCodec",
        graphs="nic_cca.graphs:CcaGraphs",
        summary="NAF blocks, five uneven slices with latent residual prediction.",
        paper="Han et al.: Causal Context Adjustment Loss for Learned Image Compression, NeurIPS 2024",
        options=(EFFORT, DECODER),
    )


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the published checkpoints."""
    yield ImporterSpec(
        "cca",
        "nic_cca.importer:import_checkpoint",
        "Checkpoints of the public PyTorch implementation (LabShuHangGU/CCA), any size.",
        tradeoff="nic_cca.plugin:tradeoff",
        exporter="nic_cca.importer:export_checkpoint",
    )


@hookimpl
def nic_checkpoints() -> Iterator[CheckpointSpec]:
    """The published checkpoints."""
    for beta, file in CHECKPOINTS.items():
        yield CheckpointSpec(
            "cca",
            f"cca-{beta:g}",
            f"https://drive.google.com/file/d/{file}",
            beta,
            licence="MIT",
            page="https://github.com/LabShuHangGU/CCA",
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
