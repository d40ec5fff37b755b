"""Write a small CLIP with random weights, for trying TACO where the real one cannot be had.

    python tools/benchmarks/random_clip.py random_clip.pt
    nic train taco --set clip_path=random_clip.pt --set text_width=64 --set k_p=0 --set k_j=0 ...

Its text features tell tokens apart but mean nothing: what a model learns from them says nothing about CLIP.
"""

from pathlib import Path

import click
import open_clip
import torch


@click.command(help=__doc__)
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--width", default=64, show_default=True, help="Of the text features.")
@click.option("--layers", default=2, show_default=True, help="Of the text transformer.")
def main(output: Path, width: int, layers: int) -> None:
    """Write the file; the same arguments give the same weights."""
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
    text = {"width": width, "heads": width // 64, "layers": layers}
    model = open_clip.CLIP(embed_dim=width, vision_cfg=vision, text_cfg=text, quick_gelu=True)
    torch.save(model.half().state_dict(), output)  # OpenAI published its weights in half precision
    click.echo(f"{output}: random weights, text features {width} wide")


if __name__ == "__main__":
    main()
