"""How many multiplications a codec's transforms take, as torch counts them."""

from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")


def counted(run: Callable[[], Made]) -> tuple[Made, float]:
    """Return what a function returns, and the 1e9 multiply-accumulates of torch's operations in it.

    Convolutions, matrix products and attention. ImportError where there is no torch.
    """
    import torch  # not every codec needs it
    from torch.utils.flop_counter import FlopCounterMode

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the counter sees the operations of its own thread alone
    try:
        with FlopCounterMode(display=False) as counter:
            made = run()
    finally:
        torch.set_num_threads(threads)
    return made, counter.get_total_flops() / 2e9
