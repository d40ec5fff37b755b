"""What nic-mini brings; imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import EFFORT, CodecSpec, RecipeSpec, WeightsSpec
from nic_core.weights import bundled

api_version = "1.2"


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The codec."""
    yield CodecSpec(
        id="mini",
        target="nic_mini.codec:MiniCodec",
        graphs="nic_mini.graphs:MiniGraphs",
        summary="Small, fast default: residual convolutions, space-channel context, continuous quality.",
        options=(EFFORT,),
    )


@hookimpl
def nic_weights() -> Iterator[WeightsSpec]:
    """The weights in this wheel."""
    yield from bundled("nic_mini")


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """How mini is trained."""
    yield RecipeSpec(
        name="mini",
        codec="mini",
        target="nic_mini.recipe:MiniRecipe",
        summary="All qualities at once; constant rates, lowered at the end.",
    )
