"""What nic-egic brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, ImporterSpec, Option, RecipeSpec

api_version = "1.0"

REALISM = Option(
    "realism",
    float,
    1.0,
    "Least distortion at 0, most realistic at 1; less than 1 needs weights with output residual prediction.",
    "decode",
    0,
    1,
)


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The model."""
    yield CodecSpec(
        id="egic",
        target="nic_egic.codec:EgicCodec",
        summary="Generative; one file decodes anywhere between least distortion and realism.",
        paper="Körber et al.: EGIC: Enhanced Low-Bit-Rate Generative Image Compression, ECCV 2024",
        options=(REALISM,),
    )


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the authors' checkpoints."""
    yield ImporterSpec(
        "egic", "nic_egic.importer:import_checkpoint", "TensorFlow checkpoints and SavedModels of the authors' code."
    )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The authors' training."""
    yield RecipeSpec(
        name="egic",
        codec="egic",
        target="nic_egic.recipe:EgicRecipe",
        summary="As published: long side 640, scaled by 0.5 to 1.5, augmented, padded, mirrored; nothing clipped.",
    )
