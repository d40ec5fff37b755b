"""Nets over one colour of a checkerboard: its positions packed into half the width, (N, C, h, w / 2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Packed(nn.Module):
    """The positions with (row + column) % 2 == parity, even rows above odd ones; h and w are even."""

    def __init__(self, parity: int) -> None:
        super().__init__()
        self.parity = parity

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h, w / 2)."""
        return torch.cat([x[..., ::2, self.parity :: 2], x[..., 1::2, 1 - self.parity :: 2]], 2)


class Unpacked(nn.Module):
    """What `Packed` packed, with zeros at the other positions."""

    def __init__(self, parity: int) -> None:
        super().__init__()
        self.parity = parity

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w / 2) to (N, C, h, w)."""
        count, channels, height, width = x.shape
        whole = x.new_zeros(count, height, 2 * width, channels).permute(0, 3, 1, 2)  # channels last, as convolutions
        whole[..., ::2, self.parity :: 2], whole[..., 1::2, 1 - self.parity :: 2] = x.chunk(2, 2)
        return whole


class PackedConv(nn.Conv2d):
    """A convolution that is computed at one colour only, and packed: Packed(parity)(conv(x)).

    kernel: its side, odd; it is padded by zeros as far as it reaches.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, parity: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.parity = parity

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, outputs, h, w / 2); h and w are even."""
        reach, parity = self.kernel_size[0] // 2, self.parity

        def rows(first: int, column: int) -> Tensor:
            """Return every second row and column from these on."""
            padded = F.pad(x, (reach - column, reach, reach - first, reach))
            return F.conv2d(padded, self.weight, self.bias, 2)

        return torch.cat([rows(0, parity), rows(1, 1 - parity)], 2)
