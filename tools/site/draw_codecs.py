"""Draws codecs' parts into docs/figures/codec-*.svg: what is in floating point, what in integers, what a file holds.

hatch run draw-codecs            rewrites the drawings
hatch run draw-codecs --check    exits with 1 where one is out of date
"""

import argparse
import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
FILLS = {"float": "#dbe7fb", "integer": "#ffe3c2", "file": "#d9f0d9", "plain": "#ffffff", "training": "#eeeeee"}
MEANINGS = {
    "float": "floating point, on any device",
    "integer": "integers, the same on every machine",
    "file": "in the file",
}
WIDTH = 900


@dataclass(frozen=True)
class Box:
    """A part. place: left, top, width, height. lines: below its title. kind: of FILLS."""

    title: str
    place: tuple[int, int, int, int]
    lines: tuple[str, ...] = ()
    kind: str = "plain"

    def svg(self) -> str:
        """Return the drawing of it."""
        left, top, width, height = self.place
        middle, first = left + width / 2, top + height / 2 - 8 * len(self.lines) + 5
        texts = [f'<text class="title" x="{middle:g}" y="{first:g}">{escape(self.title)}</text>']
        texts += [
            f'<text x="{middle:g}" y="{first + 17 * (index + 1):g}">{escape(line)}</text>'
            for index, line in enumerate(self.lines)
        ]
        shape = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="7" fill="{FILLS[self.kind]}"/>'
        return "\n".join([shape, *texts])


@dataclass(frozen=True)
class Arrow:
    """A line through points, with a head at its end and a label beside one of them."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    beside: tuple[int, int] = (0, 0)
    dashed: bool = False

    def svg(self) -> str:
        """Return the drawing of it."""
        path = "M" + " L".join(f"{x} {y}" for x, y in self.points)
        dash = ' stroke-dasharray="5 4"' if self.dashed else ""
        line = f'<path d="{path}" marker-end="url(#head)"{dash}/>'
        if not self.label:
            return line
        x, y = self.beside
        return f'{line}\n<text class="label" x="{x}" y="{y}">{escape(self.label)}</text>'


@dataclass(frozen=True)
class Drawing:
    """Parts and arrows. alt: the same in a sentence, for who does not see it. height: of the whole."""

    alt: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    height: int
    kinds: tuple[str, ...] = field(default=("float", "integer", "file"))

    def svg(self) -> str:
        """Return the whole file."""
        legend = []
        for index, kind in enumerate(self.kinds):
            left, top = 20 + 285 * index, self.height - 30
            legend.append(f'<rect x="{left}" y="{top}" width="18" height="18" rx="4" fill="{FILLS[kind]}"/>')
            legend.append(f'<text class="note" x="{left + 26}" y="{top + 14}">{MEANINGS[kind]}</text>')
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
                f'height="{self.height}" role="img">',
                f"<title>{escape(self.alt)}</title>",
                "<style>text{font:12px system-ui,'DejaVu Sans',sans-serif;text-anchor:middle;fill:#222}"
                ".title{font-weight:600;font-size:14px}.label{font-style:italic}.note{text-anchor:start}"
                "path{fill:none;stroke:#444;stroke-width:1.5}rect{stroke:#666;stroke-width:1}</style>",
                '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                'orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill:#444;stroke:none"/></marker></defs>',
                f'<rect width="{WIDTH}" height="{self.height}" rx="10" fill="#fbfbfd" style="stroke:none"/>',
                *[each.svg() for each in (*self.arrows, *self.boxes)],
                *legend,
                "</svg>\n",
            ]
        )


def latent_codec(
    name: str,
    analysis: tuple[str, ...],
    synthesis: tuple[str, ...],
    hyper: tuple[tuple[str, ...], tuple[str, ...]],
    context: tuple[str, ...],
    *more: Box | Arrow,
    order: str = "groups in turn",
) -> Drawing:
    """Return the drawing of a latent codec: what its transforms, hyper-transforms and context consist of."""
    boxes = [
        Box("x", (12, 75, 44, 50)),
        Box("gₐ", (78, 60, 242, 80), analysis, "float"),
        Box("round", (355, 75, 65, 50), kind="float"),
        Box("entropy coder", (462, 60, 126, 170), ("rANS,", "frozen tables"), "file"),
        Box("gₛ", (622, 60, 218, 80), synthesis, "float"),
        Box("x̂", (860, 75, 32, 50)),
        Box("hₐ", (78, 185, 242, 62), hyper[0], "float"),
        Box("round", (355, 190, 65, 50), kind="float"),
        Box("hₛ", (622, 185, 218, 62), hyper[1], "integer"),
        Box("context", (355, 290, 485, 66), context, "integer"),
    ]
    arrows = [
        Arrow(((56, 100), (76, 100))),
        Arrow(((320, 100), (353, 100)), "y", (337, 92)),
        Arrow(((420, 100), (460, 100)), "ŷ", (440, 92)),
        Arrow(((588, 100), (620, 100)), "ŷ", (604, 92)),
        Arrow(((840, 100), (858, 100))),
        Arrow(((336, 100), (336, 162), (199, 162), (199, 183))),
        Arrow(((320, 216), (353, 216)), "z", (337, 208)),
        Arrow(((420, 216), (460, 216)), "ẑ", (440, 208)),
        Arrow(((588, 216), (620, 216)), "ẑ", (604, 208)),
        Arrow(((725, 247), (725, 288))),
        Arrow(((505, 290), (505, 232)), "mean, scale", (455, 270)),
        Arrow(((560, 230), (560, 288)), f"decoded {order}", (643, 270)),
    ]
    boxes += [each for each in more if isinstance(each, Box)]
    arrows += [each for each in more if isinstance(each, Arrow)]
    alt = (
        f"{name}. Analysis transform: {', '.join(analysis)}. Synthesis: {', '.join(synthesis)}. "
        f"Context: {', '.join(context)}. Transforms are in floating point; hyper-synthesis and context are in integers."
    )
    return Drawing(alt, tuple(boxes), tuple(arrows), 410)


CONVOLUTIONS = (("3x3, 5x5 and 5x5 convolutions",), ("the mirror: scales and means",))

DRAWINGS = {
    "mini": latent_codec(
        "mini",
        ("4x4 patches, residual 3x3 blocks", "of 48, 96 and 160 channels"),
        ("1x1 convolutions, pixel shuffles,", "the same blocks mirrored"),
        (("convolutions",), ("convolutions",)),
        ("slices of 16, 16, 32 and 96 channels,", "each in two passes over a checkerboard"),
        Box("quality", (350, 10, 150, 34), (), "plain"),
        Arrow(((385, 44), (385, 73)), "a gain for each channel", (262, 50)),
        Arrow(((500, 27), (725, 27), (725, 58)), "its learned inverse", (645, 20)),
    ),
    "tbtc": latent_codec(
        "TBTC",
        ("5x5 convolutions with GDN, or", "Swin blocks with patch merging"),
        ("its mirror, with inverse GDN", "or patch splitting"),
        (("convolutions, or Swin blocks",), ("its mirror",)),
        ("none (hyperprior), or ChARM: slices of 32 channels,", "each predicted from the earlier ones"),
        order="slices",
    ),
    "tcm": latent_codec(
        "TCM",
        ("residual blocks of stride 2; mixed", "blocks: 3x3 convolutions beside Swin"),
        ("the mirror, with pixel shuffles",),
        (("a residual block, mixed blocks",), ("the mirror, for scale and mean",)),
        ("5 slices of 64 channels; attention gated by Swin blocks, then", "mean, scale and rounding error of each"),
        order="slices",
    ),
    "cca": latent_codec(
        "CCA",
        ("5x5 convolutions, 3 bottlenecks and", "4 NAF blocks: 192, 224, 256 channels"),
        ("the mirror: NAF blocks,", "then bottlenecks"),
        CONVOLUTIONS,
        ("slices of 8, 28, 56, 92 and 136 channels; NAF blocks predict", "mean, scale and rounding error of each"),
        order="slices",
    ),
    "taco": latent_codec(
        "TACO",
        ("convolutions, bottlenecks, attention;", "injectors and an extractor of text"),
        ("the transforms of ELIC,", "which see no text"),
        CONVOLUTIONS,
        ("slices of 16, 16, 32, 64 and 192 channels,", "each in two passes over a checkerboard"),
        Box("caption", (15, 8, 75, 32)),
        Box("CLIP's text encoder", (130, 5, 180, 38), (), "float"),
        Arrow(((90, 24), (128, 24))),
        Arrow(((202, 43), (202, 58)), "38 tokens", (250, 55)),
    ),
    "egic": latent_codec(
        "EGIC",
        ("Swin blocks with patch merging,", "128, 192, 256 and 320 channels"),
        ("Swin blocks with patch splitting;", "two last stages: GAN and MSE"),
        (("Swin blocks",), ("Swin blocks",)),
        ("ChARM: 10 slices of 32 channels,", "scales as positions on the ladder"),
        Box("realism", (640, 8, 100, 32)),
        Arrow(((690, 40), (690, 58)), "mixes both", (735, 55)),
        Box("OASIS-C", (772, 5, 120, 42), ("in training alone",), "training"),
        Arrow(((876, 73), (876, 49)), dashed=True),
        order="slices",
    ),
    "textsketch": Drawing(
        "Text + Sketch. Encoder: inversion finds a prompt of CLIP tokens, or a text is given; an annotator draws a "
        "sketch, which a latent codec codes, or classes, which are coded as labels. Decoder: Stable Diffusion with a "
        "ControlNet paints candidates; the file says which one is meant.",
        (
            Box("picture", (15, 115, 80, 60)),
            Box("inversion with CLIP", (140, 40, 190, 60), ("16 tokens; or a text of yours",), "float"),
            Box("annotator", (140, 115, 190, 60), ("HED, PidiNet, Canny ...",), "float"),
            Box("choice of candidate", (140, 190, 190, 60), ("by CLIP or squared error",), "float"),
            Box("prompt", (390, 40, 130, 60), ("as one number",), "file"),
            Box("sketch", (390, 115, 130, 60), ("textsketch-ntc", "or labels"), "file"),
            Box("choice", (390, 190, 130, 60), ("seed, candidate",), "file"),
            Box("Stable Diffusion", (585, 55, 180, 90), ("with a ControlNet", "for the sketch"), "float"),
            Box("N candidates", (585, 180, 180, 60), (), "plain"),
            Box("picture", (805, 180, 80, 60)),
        ),
        (
            Arrow(((95, 130), (118, 130), (118, 70), (138, 70))),
            Arrow(((95, 145), (138, 145))),
            Arrow(((95, 160), (118, 160), (118, 220), (138, 220))),
            Arrow(((330, 70), (388, 70))),
            Arrow(((330, 145), (388, 145))),
            Arrow(((330, 220), (388, 220))),
            Arrow(((520, 70), (583, 84))),
            Arrow(((520, 145), (550, 145), (550, 116), (583, 116))),
            Arrow(((520, 220), (583, 220))),
            Arrow(((675, 145), (675, 178))),
            Arrow(((765, 210), (803, 210))),
            Arrow(((675, 240), (675, 285), (235, 285), (235, 252)), "the encoder paints them too", (455, 278), True),
        ),
        340,
        ("float", "file"),
    ),
}


def main() -> int:
    """Rewrite or check the drawings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 where something would")
    check, code = parser.parse_args().check, 0
    for name, drawing in DRAWINGS.items():
        path = FIGURES / f"codec-{name}.svg"
        if path.exists() and path.read_text(encoding="utf-8") == drawing.svg():
            continue
        if check:
            print(f"{path.name} is out of date: hatch run draw-codecs", file=sys.stderr)
            code = 1
        else:
            path.write_text(drawing.svg(), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
