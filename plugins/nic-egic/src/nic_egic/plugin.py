"""What nic-egic brings; imports nothing heavy."""

from collections.abc import Iterator
from dataclasses import replace

from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, EFFORT, CheckpointSpec, CodecSpec, ImporterSpec, Option, RecipeSpec

api_version = "1.2"

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
        options=(EFFORT, REALISM, DECODER),
    )


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the authors' checkpoints."""
    yield ImporterSpec(
        "egic",
        "nic_egic.importer:import_checkpoint",
        "TensorFlow checkpoints and SavedModels of the authors' code.",
        tradeoff="nic_egic.plugin:tradeoff",
        exporter="nic_egic.exporter:export_checkpoint",
    )


def tradeoff(lmbda: float) -> float:
    """Return the weight of 255^2 MSE against a bit per pixel: lambda weighs the rate, beside a fixed squared error."""
    return 0.1 * 2**-5 * 0.75 / lmbda


@hookimpl
def nic_checkpoints() -> Iterator[CheckpointSpec]:
    """The authors' folder: SavedModels of the codec, and what its training takes."""
    models = CheckpointSpec(
        "egic",
        "egic",
        "https://drive.google.com/drive/folders/1qHEpo-rVRavAb0p6qL2KdLCu0TmHilEt",
        member=r"(?i)(?!.*(oasis|lpips))(.*/)?variables/variables\.index",
        beside=r"variables\.data-.*",
        licence="Apache-2.0",
        page="https://github.com/Nikolai10/EGIC",
    )
    yield models
    oasis = replace(models, name="oasis-c", member=r"(?i).*oasis.*\.index", beside=r".*\.data-.*", importable=False)
    yield replace(oasis, summary="The discriminator, a segmenter.")
    yield replace(oasis, name="lpips", member=r"(?i).*lpips.*", beside="", summary="Weights of LPIPS.")


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The authors' training."""
    yield RecipeSpec(
        name="egic",
        codec="egic",
        target="nic_egic.recipe:EgicRecipe",
        summary="As published: long side 640, scaled by 0.5 to 1.5, augmented, padded, mirrored; nothing clipped.",
    )
