"""What nic-checkers brings; imports nothing heavy, since `nic` runs it whenever it starts."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, RecipeSpec, WeightsSpec
from nic_core.weights import bundled

api_version = "1.0"


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The codec; `graphs` is what runs it where onnxruntime is installed and torch is not."""
    yield CodecSpec(
        id="checkers",
        target="nic_checkers.codec:CheckersCodec",
        graphs="nic_checkers.graphs:CheckersGraphs",
        summary="Convolutions with GDN, a hyperprior, two passes over a checkerboard.",
        paper="He et al.: Checkerboard Context Model for Efficient Learned Image Compression, CVPR 2021",
    )


@hookimpl
def nic_weights() -> Iterator[WeightsSpec]:
    """Weights in the package's folder weights/, of which there are none yet."""
    yield from bundled("nic_checkers")


@hookimpl
def nic_recipes() -> Iterator[RecipeSpec]:
    """How it is trained."""
    yield RecipeSpec(
        "checkers", "checkers", "nic_checkers.recipe:CheckersRecipe", "Rate and squared error, or MS-SSIM."
    )
