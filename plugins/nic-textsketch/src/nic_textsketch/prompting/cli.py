"""`nic prompt`: the prompt that inversion finds for pictures, or for a text."""

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePath

import click
import torch
from nic_core import progress
from nic_core.cli.bars import working
from nic_core.cli.flags import with_options
from nic_core.cli.jobs import Kind, find
from nic_core.cli.output import say, show
from nic_core.errors import NicError
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_nn.codec import pick_device
from PIL import Image
from torch import Tensor

from nic_textsketch.plugin import CLIP, INVERSION, MODELS
from nic_textsketch.prompting import prompts
from nic_textsketch.prompting.clip import CLIP as DEFAULT
from nic_textsketch.prompting.clip import Clip, load_clip
from nic_textsketch.prompting.inversion import Inversion, invert, state_path

PICTURES = Kind(image_files.READABLE_SUFFIXES, "pictures", "", package=image_files.missing_package)


@click.command()
@click.argument("pictures", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--target-text", metavar="TEXT", help="A text, instead of pictures; at most 75 tokens.")
@with_options(INVERSION)
@click.option("--seed", default=0, show_default=True, help="Of the random prompts that it begins with.")
@with_options([CLIP])
@click.option("--models", type=click.Path(exists=True, file_okay=False, path_type=Path), help=MODELS)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
def prompt(
    pictures: tuple[Path, ...],
    target_text: str | None,
    tokens: int,
    iterations: int,
    lr: float,
    weight_decay: float,
    prompt_bs: int,
    seed: int,
    clip: str,
    models: Path | None,
    device: str,
) -> None:
    """Find the prompt whose CLIP features are nearest to those of pictures, or of a text.

    Of several pictures it is one prompt for all: the one of the highest mean similarity. It is printed, and how similar
    it is beside it, on standard error.

    \b
    nic prompt photo.jpg
    nic prompt holiday/ --tokens 8                     what all pictures of a folder have in common
    nic prompt --target-text "a long text..." --tokens 8   the same in eight tokens
    nic encode photo.jpg --codec textsketch-pic --text "$(nic prompt photo.jpg)"

    A search that is interrupted goes on when the same command is run again.
    """
    if bool(pictures) == (target_text is not None):
        raise click.UsageError("give pictures, or --target-text")
    settings = Inversion(tokens, iterations, lr, weight_decay, prompt_bs, seed)
    ids = prompts.tokens(target_text) if target_text is not None else None
    with working("finding a prompt"):
        loaded = load_clip(clip or DEFAULT.name, models, pick_device(device))
        if ids is None:
            features, sought = _features(loaded, _files(pictures))
        else:
            features, sought = loaded.prompt_features(ids), [repr(ids).encode()]
        target = features.mean(0, keepdim=True)
        (found,) = invert(loaded, target, settings, state_path(loaded, settings, *sought))
    show(prompts.text(found.ids))
    of = "the text" if ids else f"{len(features)} picture{'s' * (len(features) > 1)}"
    say(f"similarity to {of}: {found.similarity:.3f}", err=True)


def _files(pictures: tuple[Path, ...]) -> list[PurePath]:
    found = find(pictures, PICTURES)
    if found.unread:
        raise NicError(found.unread[0].problem)
    return [path for path, _ in found.files]


def _features(clip: Clip, files: Sequence[PurePath]) -> tuple[Tensor, list[bytes]]:
    """Return the features of pictures, (N, D), and what tells each from others."""
    found, sums = [], []
    for path in progress.track(files, "looking at pictures"):
        image = _image(path)
        found.append(clip.image_features([image]))
        sums.append(hashlib.sha256(image.tobytes()).digest())
    return torch.cat(found), sums


def _image(path: PurePath) -> Image.Image:
    picture: Picture = image_files.read(path).stripped()
    return picture.to_8_bit().to_pil().convert("RGB")
