"""What nic-mini brings; imports nothing heavy."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, EFFORT, CodecSpec, RecipeSpec, WeightsSpec
from nic_core.weights import bundled

api_version = "1.2"

BEST = {"synthesis_widths": (96, 128, 160), "synthesis_blocks": (6, 3, 2)}
"""About six times the work of the fast synthesis a pixel, most of it where a parameter does most work: at 1/4."""
LOOKS = {"mse": 0.2, "msssim": 1.0, "wasserstein": 1.0}
DECODERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("fast", "The synthesis of existing weights alone, by PSNR; files stay what they are.", {}),
    (
        "best",
        "A wider and deeper synthesis, grown from that of existing weights; files stay what they are.",
        {**BEST, "lr": 5e-4},
    ),
    (
        "perceptual",
        "The synthesis alone, by MS-SSIM and Wasserstein distortion: textures in place of smoothness.",
        LOOKS,
    ),
)
"""Decoders of mini's files: name, what its recipe trains, the recipe's values."""


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The codec."""
    yield CodecSpec(
        id="mini",
        target="nic_mini.codec:MiniCodec",
        graphs="nic_mini.graphs:MiniGraphs",
        summary="Small, fast default: residual convolutions, space-channel context, continuous quality.",
        options=(EFFORT, DECODER),
    )


@hookimpl
def nic_weights() -> Iterator[WeightsSpec]:
    """The weights in this wheel; those that do not say so have the fast decoder."""
    yield from (replace(spec, decoder=spec.decoder or "fast") for spec in bundled("nic_mini"))


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """How mini is trained."""
    yield RecipeSpec(
        name="mini",
        codec="mini",
        target="nic_mini.recipe:MiniRecipe",
        summary="All qualities at once; constant rates, lowered at the end.",
    )
    yield RecipeSpec(
        name="mini-symbols",
        codec="mini",
        target="nic_mini.symbols_recipe:MiniSymbols",
        summary="The entropy model alone, on rounded latents; pictures stay what they are, files become smaller.",
    )
    for decoder, summary, values in DECODERS:
        yield RecipeSpec(
            name=f"mini-{decoder}",
            codec="mini",
            target="nic_mini.synthesis_recipe:MiniSynthesis",
            summary=summary,
            values={"decoder": decoder, **values},
        )
