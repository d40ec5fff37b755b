"""What nic-textsketch brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, CommandSpec, ImporterSpec, RecipeSpec

api_version = 1


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The sketch codec."""
    yield CodecSpec(
        id="textsketch-ntc",
        target="nic_textsketch.codec:SketchCodec",
        summary="Gray sketches at about 0.02 bits per pixel: attention, raster-scan context.",
        paper="Lei et al.: Text + Sketch: Image Compression at Ultra Low Rates, ICML 2023 workshop",
        gray=True,
    )


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the authors' checkpoints."""
    yield ImporterSpec(
        "textsketch-ntc",
        "nic_textsketch.importer:import_checkpoint",
        "Checkpoints of the authors' code (leieric/Text-Sketch), any width.",
    )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The authors' training."""
    yield RecipeSpec(
        name="textsketch-ntc",
        codec="textsketch-ntc",
        target="nic_textsketch.recipe:SketchRecipe",
        summary="As in the authors' code, for edge maps ('nic sketches' makes them).",
    )


@hookimpl
def nic_commands() -> Iterator[CommandSpec]:
    """The dataset maker."""
    yield CommandSpec("sketches", "nic_textsketch.cli:sketches", "Make edge maps of photographs, to train on.")
