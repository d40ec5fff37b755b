"""What models cost."""

import torch
from nic_latent.orders.context import drive
from torch.utils.flop_counter import FlopCounterMode


def gmacs(model) -> tuple[float, float]:
    """Return 1e9 multiply-accumulates of encoding and of decoding 768 x 512 pixels. model: on the device "meta"."""

    def counted(run):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            result = run()
        return result, counter.get_total_flops() / 2e9

    y, g_a = counted(lambda: model.g_a(torch.empty(1, 3, 512, 768, device="meta")))
    z, h_a = counted(lambda: model.h_a(y))
    hyper, h_s = counted(lambda: model.h_s(z))
    _, context = counted(lambda: drive(model.context(hyper), lambda params: params.mean))
    _, g_s = counted(lambda: model.g_s(y))
    return g_a + h_a + h_s + context, h_s + context + g_s
