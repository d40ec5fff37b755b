"""Codes free pictures by the default codec and by JPEG of the same size, for docs/gallery.md.

    hatch run make-gallery          rewrites docs/figures/gallery/ and what the page says between its marks

The pictures are scikit-image's; the page shows them as WebP of quality 95, so that it stays small. Every number is that
of the real files: of mini as it is installed, and of Pillow's JPEG (optimize, 4:2:0), the largest that is no larger.
"""

import io
import re
from pathlib import Path

import nic_core as nic
from nic_core.host.target import psnr
from nic_core.pictures.picture import Picture
from PIL import Image
from skimage import data

PAGE = Path(__file__).parents[2] / "docs" / "gallery.md"
FOLDER = PAGE.parent / "figures" / "gallery"
PLACE = re.compile(r"(<!-- gallery -->\n).*?(<!-- end -->)", re.DOTALL)
CODEC, QUALITY = "mini", 30
PICTURES = {
    "astronaut": "Eileen Collins. NASA, public domain",
    "coffee": "A cup of coffee. Rachel Michetti, CC0",
    "chelsea": "Chelsea the cat. Stéfan van der Walt, CC0",
    "rocket": "A launch of Falcon 9. SpaceX, CC0",
}


def slider(name: str, left: str, right: str, size: tuple[int, int], left_says: str, right_says: str) -> str:
    """Return two pictures over one another, of which a slider shows more or less."""
    sides = f'width="{size[0]}" height="{size[1]}"'
    place, label = f"figures/gallery/{name}", f"{left_says} to the left, {right_says} to the right"
    return (
        f'<figure class="slider" style="--ratio: {size[0]} / {size[1]}">\n'
        f'<img src="{place}-{right}.webp" alt="{name}: {right_says}" {sides}>\n'
        f'<img src="{place}-{left}.webp" alt="{name}: {left_says}" {sides}>\n'
        f"<span>{left_says}</span><span>{right_says}</span>\n"
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}">\n'
        "</figure>\n"
    )


def jpeg(image: Image.Image, most: int) -> tuple[int, bytes]:
    """Return the JPEG of the highest quality that has no more bytes, with its quality; ValueError where none has."""
    for quality in reversed(range(1, 96)):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= most:
            return quality, file.getvalue()
    raise ValueError(f"no JPEG has {most} bytes")


def main() -> None:
    """See the module."""
    parts, rows = [], []
    codec = nic.load(CODEC)
    for name, licence in PICTURES.items():
        image = Image.fromarray(getattr(data, name)())
        coded = codec.encode(image, QUALITY)
        quality, other = jpeg(image, len(coded))
        shown = {"original": image, "mini": codec.decode(coded), "jpeg": Image.open(io.BytesIO(other)).convert("RGB")}
        for kind, each in shown.items():
            each.save(FOLDER / f"{name}-{kind}.webp", quality=95, method=6)
        original, bpp = Picture.of(image), [8 * len(file) / image.width / image.height for file in (coded, other)]
        decibels = [psnr(original, Picture.of(shown[kind])) for kind in ("mini", "jpeg")]
        says = [f"mini, {len(coded) / 1000:.1f} kB", f"JPEG, {len(other) / 1000:.1f} kB"]
        parts += [
            f"## {licence.partition('.')[0]}\n",
            slider(name, "mini", "original", image.size, says[0], "original"),
            slider(name, "mini", "jpeg", image.size, says[0], says[1]),
        ]
        rows.append(
            f"| {name}, {image.width} x {image.height} | {len(coded)} | {bpp[0]:.3f} | {decibels[0]:.2f} "
            f"| {quality} | {len(other)} | {bpp[1]:.3f} | {decibels[1]:.2f} | {licence.partition('. ')[2]} |"
        )
    head = [
        "| picture | mini: bytes | bpp | PSNR (dB) | JPEG's quality | bytes | bpp | PSNR (dB) | by, licence |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    table = ["## The numbers\n", *head, *rows, ""]
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        PLACE.sub(lambda found: f"{found[1]}\n" + "\n".join([*parts, *table]) + f"\n{found[2]}", text), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
