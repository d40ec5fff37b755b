"""In which order the latents are coded: half of a checkerboard, then the other half with the first one in sight.

This runs over tensors in training, and over integers where files are made; so it imports no torch, and leaves all
computing to the nets, which it calls by name. `parity` says that only one colour of what a net makes is looked at.
"""

from nic_latent.orders.context import Context, Nets, Value, checkerboard


def two_passes(nets: Nets, hyper: Value) -> Context:
    """Yield the parameters of each pass, receive it decoded; return all of y_hat."""

    def rest(anchors: Value) -> Value:
        return nets("rest", hyper, nets("around", anchors, parity=1), parity=1)

    return [(yield from checkerboard(nets("anchors", hyper, parity=0), rest))]
