"""What nic-taco brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, EFFORT, CheckpointSpec, CodecSpec, ImporterSpec, Option, RecipeSpec

api_version = "1.2"

OPTIONS = (
    Option("text", str, "", "What the picture shows; no text means the empty caption.", table="captions", several=True),
    Option(
        "captions-best",
        int,
        1,
        "Of a picture's captions, try so many, keep the best by LPIPS.",
        "encode",
        1,
        64,
    ),
    Option("caption", str, "none", "Whether a captioner (CoCa) writes the text.", choices=("none", "auto")),
    Option("clip", str, "", "CLIP ViT-B/32: a local file or folder; by default downloaded once and cached."),
    EFFORT,
)


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The model."""
    yield CodecSpec(
        id="taco",
        target="nic_taco.codec:TacoCodec",
        graphs="nic_taco.graphs:TacoGraphs",
        summary="Space-channel context; the encoder reads a caption.",
        paper="Lee et al.: Neural Image Compression with Text-guided Encoding, ICML 2024",
        options=(*OPTIONS, DECODER),
    )


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The reader of the authors' checkpoints."""
    yield ImporterSpec(
        "taco",
        "nic_taco.importer:import_checkpoint",
        "Checkpoints of the authors' code, any size.",
        exporter="nic_taco.importer:export_checkpoint",
    )


@hookimpl
def nic_checkpoints() -> Iterator[CheckpointSpec]:
    """The folder of the authors' checkpoints, told apart by the lambdas in their names."""
    yield CheckpointSpec(
        "taco",
        "taco",
        "https://drive.google.com/drive/folders/1zOLRtr3AMJ2KChCDjCeBicI871Pzw28K",
        member=r".*\.(pth\.tar|pth|pt)",
        page="https://github.com/effl-lab/TACO",
    )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The authors' training."""
    yield RecipeSpec(
        name="taco",
        codec="taco",
        target="nic_taco.recipe:TacoRecipe",
        summary="As published: crops not mirrored, gradients clipped at 1.",
    )
