"""Swin transformer blocks for maps of any size (Liu et al., ICCV 2021), channels last: (N, H, W, C).

A map whose sides are no multiples of the window is padded at the right and the bottom inside each block, and the
padding is masked off, so no real value depends on it. Multiples of the window give what plain Swin blocks give.
"""

from functools import lru_cache
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nic_nn.nets.strips import each, in_strips

MASKED = -100.0
"""Added to the logits of pairs that must not attend, as in the published models."""
STRIP = 512
"""Positions that inference on a CPU takes through a block at a time; their hidden layer then stays in the cache."""

Region = tuple[slice, slice, Tensor | None]


def roles(size: int, window: int, shift: int) -> list[int]:
    """Return what each line of a padded and shifted axis is: 0 in its place, 1 wrapped around, 2 padding."""
    padded = size + -size % window
    return [2 if (i + shift) % padded >= size else int(i + shift >= padded) for i in range(padded)]


def runs(lines: list[int], window: int) -> list[tuple[slice, tuple[int, ...]]]:
    """Return the slices of an axis whose windows all show the same roles, with these roles."""
    starts = range(0, len(lines), window)
    found = []
    for pattern, members in groupby(starts, lambda start: tuple(lines[start : start + window])):
        first, *others = members
        found.append((slice(first, (others or [first])[-1] + window), pattern))
    return found


@lru_cache(maxsize=256)
def regions(height: int, width: int, window: int, shift: int, device: torch.device) -> tuple[Region, ...]:
    """Return the rectangles of a padded and shifted map in which all windows share one mask.

    At most a few: the interior, the last rows and columns, and their corners. Each is (rows, columns, mask), the mask
    (window^2, window^2) to be added to the logits, None where no pair is masked.
    """
    found: list[Region] = []
    # A tensor made in inference mode could not serve training later.
    with torch.inference_mode(False):
        for rows, row_roles in runs(roles(height, window, shift), window):
            for columns, column_roles in runs(roles(width, window, shift), window):
                role = torch.tensor([3 * row + column for row in row_roles for column in column_roles])
                mask = torch.where(role[:, None] == role, 0.0, MASKED).to(device)
                found.append((rows, columns, mask if len(role.unique()) > 1 else None))
    return tuple(found)


def places(lines: slice, shift: int, size: int) -> list[slice]:
    """Return where lines of a shifted axis lie in the axis itself: in one piece, or in two where they wrap around."""
    start, stop = lines.start + shift, lines.stop + shift
    return [slice(start, stop)] if stop <= size else [slice(start, size), slice(0, stop - size)]


def lengths(pieces: list[slice]) -> list[int]:
    """Return how many lines pieces of an axis have."""
    return [piece.stop - piece.start for piece in pieces]


def joined(parts: list[Tensor], axis: int) -> Tensor:
    """Return parts side by side; one alone is not copied."""
    return torch.cat(parts, axis) if len(parts) > 1 else parts[0]


def relative_positions(window: int) -> Tensor:
    """Return, for each pair of positions in a window, the row of the bias table for their offset."""
    row = torch.arange(window).repeat_interleave(window)
    column = torch.arange(window).repeat(window)
    return (row[:, None] - row + window - 1) * (2 * window - 1) + column[:, None] - column + window - 1


def attention_by_products(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor, scale: float | None) -> Tensor:
    """Return what torch's attention does, of (B, heads, positions, C); windows in bfloat16 on CPUs in half the time.

    Its own computes there in float32 between conversions.
    """
    heads = q.shape[1]
    q, k, v, attn_mask = (x.flatten(0, 1) for x in (q, k, v, attn_mask))
    logits = torch.baddbmm(attn_mask, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5 if scale is None else scale)
    return torch.bmm(logits.softmax(-1), v).unflatten(0, (-1, heads))


class WindowAttention(nn.Module):
    """Multi-head attention within windows, with a learned bias for each offset.

    width: channels, a multiple of heads. scale: factor on the logits; None for (width / heads)^-0.5.
    """

    relative_position: Tensor

    def __init__(self, width: int, heads: int, window: int, scale: float | None = None) -> None:
        super().__init__()
        self.heads, self.window, self.scale = heads, window, scale
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))  # as the published models start
        self.register_buffer("relative_position", relative_positions(window), persistent=False)

    def position_bias(self) -> Tensor:
        """Return the learned part of the logits, (heads, window^2, window^2)."""
        return self.bias[self.relative_position].permute(2, 0, 1).contiguous()

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attend within windows (B, window^2, C); bias: (heads, window^2, window^2), added to all logits."""
        count, positions, width = x.shape
        q, k, v = self.qkv(x).view(count, positions, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        bias = bias.to(q.dtype).expand(count, -1, -1, -1)
        attend = attention_by_products if q.dtype == torch.bfloat16 and in_strips(x) else F.scaled_dot_product_attention
        y = attend(q, k, v, attn_mask=bias, scale=self.scale)
        return self.proj(y.transpose(1, 2).reshape(x.shape))


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), on (N, H, W, C) of any H and W.

    shift: how far the windows are moved right and down, 0 to window - 1. mlp_ratio: width of the hidden layer / width.
    scale: see `WindowAttention`.
    drop_path: what leaves out each of the two sums for some pictures in training, such as timm's `DropPath`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        window: int,
        shift: int = 0,
        scale: float | None = None,
        mlp_ratio: float = 4.0,
        drop_path: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.window, self.shift, self.drop_path = window, shift, drop_path
        hidden = int(mlp_ratio * width)
        self.norm1 = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, window, scale)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        given, (height, width) = x, x.shape[1:3]
        if height % self.window or width % self.window:
            x = F.pad(x, (0, 0, 0, -width % self.window, 0, -height % self.window))
        position_bias = self.attention.position_bias()
        kept = self._kept(x)
        # Windows see nothing of each other, so a copy that nobody else has takes its own results.
        y = x if x is not given and not torch.is_grad_enabled() else torch.empty_like(x)

        def run(part: tuple[slice, slice, Tensor]) -> None:
            rows, columns, bias = part
            down, right = places(rows, self.shift, x.shape[1]), places(columns, self.shift, x.shape[2])
            strip = joined([joined([x[:, row, column] for column in right], 2) for row in down], 1)
            for row, line in zip(down, self._attend(strip, bias, kept).split(lengths(down), 1), strict=True):
                for column, piece in zip(right, line.split(lengths(right), 2), strict=True):
                    y[:, row, column] = piece

        parts = []
        for rows, columns, mask in regions(height, width, self.window, self.shift, x.device):
            bias = position_bias if mask is None else position_bias + mask
            parts += [(strip, columns, bias) for strip in self._strips(rows, columns, x)]
        each(run, parts, x)
        return y[:, :height, :width]

    def _kept(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return by what to multiply both sums of each picture, (N, 1, 1): 0 where it is left out; None for by 1."""
        if self.drop_path is None or not self.training:
            return None
        attention, mlp = (self.drop_path(x.new_ones(len(x), 1, 1)) for _ in range(2))
        return attention, mlp

    def _attend(self, x: Tensor, bias: Tensor, kept: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Run the block on windows that share a bias; x: (N, rows, columns, C), whole windows; kept: see `_kept`."""
        n, height, width, channels = x.shape
        side = self.window
        x = x.unflatten(1, (-1, side)).unflatten(3, (-1, side)).transpose(2, 3)
        shape = x.shape
        x = x.reshape(-1, side * side, channels)
        if kept is None:
            x = x + self.attention(self.norm1(x), bias)
            x = x + self.mlp(self.norm2(x))
        else:
            attention, mlp = (factor.repeat_interleave(len(x) // n, 0) for factor in kept)
            x = x + attention * self.attention(self.norm1(x), bias)
            x = x + mlp * self.mlp(self.norm2(x))
        return x.view(shape).transpose(2, 3).reshape(n, height, width, channels)

    def _strips(self, rows: slice, columns: slice, x: Tensor) -> list[slice]:
        """Split rows so that a CPU's caches and allocator can keep up; everything at once elsewhere."""
        if not in_strips(x):
            return [rows]
        line = len(x) * self.window * (columns.stop - columns.start)
        step = self.window * max(1, STRIP // line)
        return [slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step)]


class SwinStage(nn.Sequential):
    """`depth` blocks of one width, every second one shifted by half a window."""

    def __init__(self, width: int, depth: int, heads: int, window: int, scale: float | None = None) -> None:
        super().__init__(*(SwinBlock(width, heads, window, window // 2 * (i % 2), scale) for i in range(depth)))


class PatchMerging(nn.Module):
    """Halve the sides: the four phases in the order (row, column) = 00, 10, 01, 11, normalised and projected."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * inputs)
        self.reduction = nn.Linear(4 * inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, inputs) to (N, H / 2, W / 2, outputs); H and W are even."""
        n, height, width, channels = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 4, 2, 5)
        return self.reduction(self.norm(x.reshape(n, height // 2, width // 2, 4 * channels)))


class PatchSplitting(nn.Module):
    """Double the sides: normalise, project to four times the outputs, shuffle as torch's pixel shuffle does."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.expansion = nn.Linear(inputs, 4 * outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, inputs) to (N, 2 H, 2 W, outputs)."""
        # A pixel shuffle would move single values; with the weight's rows sorted by phase it moves whole positions.
        weight = self.expansion.weight.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1)
        return depth_to_space(F.linear(self.norm(x), weight))


class NormedPatchSplitting(nn.Module):
    """Double the sides: project to four times the outputs, normalise these, move them as `depth_to_space` does.

    norm: without it the projection has a bias instead.
    """

    def __init__(self, inputs: int, outputs: int, norm: bool = True) -> None:
        super().__init__()
        self.expansion = nn.Linear(inputs, 4 * outputs, bias=not norm)
        self.norm = nn.LayerNorm(4 * outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, inputs) to (N, 2 H, 2 W, outputs)."""
        return depth_to_space(self.norm(self.expansion(x)))


def depth_to_space(x: Tensor) -> Tensor:
    """(N, H, W, 4 C) to (N, 2 H, 2 W, C): C channels for each phase, in the order (row, column) = 00, 01, 10, 11.

    TensorFlow's order; torch's pixel shuffle takes the four phases of each channel together.
    """
    n, height, width, _ = x.shape
    return x.view(n, height, width, 2, 2, -1).transpose(2, 3).reshape(n, 2 * height, 2 * width, -1)


class ToPositions(nn.Module):
    """(N, C, H, W) to (N, H, W, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Move the channels last; free where the memory format is channels last already."""
        return x.permute(0, 2, 3, 1).contiguous()


class ToPlanes(nn.Module):
    """(N, H, W, C) to (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Move the channels to the front, in name only: the memory format stays channels last."""
        return x.permute(0, 3, 1, 2)
