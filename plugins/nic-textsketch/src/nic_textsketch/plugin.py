"""What nic-textsketch brings; imports nothing heavy."""

from collections.abc import Iterator
from typing import Literal

from nic_core.hooks import hookimpl
from nic_core.spec import (
    DECODER,
    EFFORT,
    CheckpointSpec,
    CodecSpec,
    CommandSpec,
    ImporterSpec,
    Option,
    RecipeSpec,
    WeightsSpec,
)
from nic_core.weights import bundled
from nic_core.weights.origin import MS_SSIM_TO_MSE

api_version = "1.2"

PAPER = "Lei et al.: Text + Sketch: Image Compression at Ultra Low Rates, ICML 2023 workshop"

INVERSION = (
    Option("tokens", int, 16, "Length of the prompt that inversion finds.", minimum=1, maximum=75),
    Option("iterations", int, 3000, "Steps of inversion.", minimum=1),
    Option("lr", float, 0.1, "Learning rate of inversion.", minimum=0),
    Option("weight-decay", float, 0.1, "Weight decay of inversion.", minimum=0),
    Option("prompt-bs", int, 1, "Random prompts that inversion begins with, of which the best is taken.", minimum=1),
)
MODELS = "Folder with local copies of models, as OWNER/NAME [env: NIC_MODELS]."
CLIP = Option("clip", str, "", "CLIP of inversion and choice: a repository on the Hugging Face hub, or a folder.")
ENCODING = (
    Option("text", str, None, "The prompt, instead of one that is found by inversion.", table="captions"),
    Option(
        "target-text",
        str,
        None,
        "A text, instead of the picture, that inversion finds a prompt of --tokens tokens for.",
        table="target-captions",
    ),
    *INVERSION,
    Option("candidates", int, 4, "Pictures to choose from.", minimum=1, maximum=256),
    Option("select", str, "clip", "What the choice goes by.", choices=("clip", "lpips", "mse")),
    Option("seed", int, 0, "Another number gives other candidates.", minimum=0, maximum=(1 << 32) - 1),
    Option("batch", int, 4, "Candidates generated at once; fewer where memory is short.", minimum=1, maximum=256),
    CLIP,
)
DRAWING = (
    Option("canny-low", int, None, "Canny: the gradient down to which edges go on; 100 unless told.", minimum=0),
    Option("canny-high", int, None, "Canny: the gradient from which edges begin; 200 unless told.", minimum=0),
    Option("mlsd-score", float, None, "MLSD: the least score of a line; 0.1 unless told.", minimum=0, maximum=1),
    Option("mlsd-distance", float, None, "MLSD: the least length of a line; 0.1 unless told.", minimum=0),
    Option("hands", bool, None, "OpenPose: draw hands too."),
)
SKETCHING = (
    Option("annotator", str, "hed", "Who draws the sketch; 'nic sketches --help' lists them."),
    Option("annotator-weights", str, "", "The annotator's file or folder; by default downloaded once and cached."),
    *DRAWING,
    Option(
        "sketch-codec",
        str,
        "",
        "What codes the sketch: ID[@WEIGHTS][:KEY=VALUE,...]; textsketch-ntc unless told, labels for segmentation.",
    ),
)
SKETCH_WEIGHTS = "Weights of the sketch codec, as with --weights; by default the installed ones."


def running(when: Literal["encode", "decode"]) -> tuple[Option, ...]:
    """Return how a generator runs: options of encoding as of decoding."""
    precisions = ("auto", "float32", "float16", "bfloat16")
    return (
        Option("precision", str, "auto", "Of the generator: auto is float16 on a GPU.", when, choices=precisions),
        Option("offload", bool, False, "Keep on the GPU only the part of the generator that computes.", when),
        Option("slicing", bool, False, "Generate in smaller pieces: less memory, slower.", when),
        Option("models", str, "", MODELS, when),
    )


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The two that generate pictures, and the codec of sketches."""
    yield CodecSpec(
        id="textsketch-pic",
        target="nic_textsketch.generative:PicCodec",
        summary="Under 100 bytes: a prompt, from which Stable Diffusion paints the picture again.",
        paper=PAPER,
        options=(*ENCODING, *running("encode"), *running("decode")),
        upright=True,
        fingerprints="nic_textsketch.config:fingerprints",
    )
    yield CodecSpec(
        id="textsketch-pics",
        target="nic_textsketch.sketched:PicsCodec",
        summary="A prompt and a sketch, which guides the painting.",
        paper=PAPER,
        options=(
            *ENCODING,
            *SKETCHING,
            *running("encode"),
            Option("sketch-weights", str, "", SKETCH_WEIGHTS),
            *running("decode"),
            Option("sketch-weights", str, "", SKETCH_WEIGHTS, "decode"),
        ),
        upright=True,
        fingerprints="nic_textsketch.config:fingerprints",
    )
    yield CodecSpec(
        id="textsketch-ntc",
        target="nic_textsketch.sketches.codec:SketchCodec",
        graphs="nic_textsketch.sketches.graphs:SketchGraphs",
        summary="Gray sketches at about 0.02 bits per pixel: attention, raster-scan context.",
        paper=PAPER,
        options=(EFFORT, DECODER),
        gray=True,
    )


@hookimpl
def nic_weights() -> Iterator[WeightsSpec]:
    """The default generators' configs, and a small sketch model."""
    yield from bundled("nic_textsketch")


@hookimpl
def nic_importers() -> Iterator[ImporterSpec]:
    """The readers of the authors' checkpoints, and of generators' configs."""
    yield ImporterSpec(
        "textsketch-ntc",
        "nic_textsketch.sketches.importer:import_checkpoint",
        "Checkpoints of the authors' code (leieric/Text-Sketch), any width.",
        tradeoff="nic_textsketch.plugin:tradeoff",
        exporter="nic_textsketch.sketches.importer:export_checkpoint",
    )
    for codec in ("textsketch-pic", "textsketch-pics"):
        yield ImporterSpec(codec, "nic_textsketch.importer:import_config", "A generator's config, a JSON file.")


def tradeoff(lmbda: float) -> float:
    """Return about what weight of 255^2 MSE a weight of 1 - MS-SSIM stands for, by the pairs that CompressAI trains."""
    return lmbda / MS_SSIM_TO_MSE


@hookimpl
def nic_checkpoints() -> Iterator[CheckpointSpec]:
    """The archives of the authors' models of sketches by HED, and of the sketches themselves."""
    page = "https://github.com/leieric/Text-Sketch"
    yield CheckpointSpec(
        "textsketch-ntc",
        "textsketch-ntc",
        "https://upenn.box.com/shared/static/g1fzf9ctn0qvdn9exjpp8mkqh7aja4gm.zip",
        member=r"(?!__MACOSX/)(.*/)?[^/.][^/]*\.pt",
        page=page,
    )
    yield CheckpointSpec(
        "textsketch-ntc",
        "hed-training-data.zip",
        "https://upenn.box.com/shared/static/b90504o4k4onkicm8aal8fxkhltp2rnb.zip",
        page=page,
        summary="Sketches of CLIC 2021, to train on.",
        importable=False,
    )


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """The authors' training."""
    yield RecipeSpec(
        name="textsketch-ntc",
        codec="textsketch-ntc",
        target="nic_textsketch.sketches.recipe:SketchRecipe",
        summary="As published, for edge maps ('nic sketches' makes them): crops not mirrored, clipped at 1.",
    )


@hookimpl
def nic_commands() -> Iterator[CommandSpec]:
    """The dataset maker, and inversion by itself."""
    yield CommandSpec("prompt", "nic_textsketch.prompting.cli:prompt", "Find a prompt for pictures, or for a text.")
    yield CommandSpec("sketches", "nic_textsketch.sketches.cli:sketches", "Make edge maps of photographs, to train on.")
