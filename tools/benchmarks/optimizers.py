"""What a training step of mini costs on a CPU, by optimizer.

python tools/benchmarks/optimizers.py

Seconds of CPU time on one thread, the least of some steps: of the nets, forward and backward, and of the optimizer.
SOAP renews its bases every tenth step: its mean over ten is shown.
"""

import time

import click
import torch
from nic_mini.recipe import MiniRecipe
from nic_nn.training.recipe import Networks, bits_per_pixel

STEPS = 12


def seconds(optimizer: str, batch: int, crop: int) -> tuple[float, float]:
    """Return the seconds of the nets and of the optimizer."""
    torch.manual_seed(0)
    recipe = MiniRecipe(codec="mini", optimizer=optimizer)  # type: ignore[arg-type]
    model = recipe.build_model().to(memory_format=torch.channels_last)
    chosen = recipe.optimizers(Networks(model)).main
    x = torch.rand(batch, 3, crop, crop).to(memory_format=torch.channels_last)
    nets, steps = [], []
    for _ in range(STEPS):
        start = time.process_time()
        output = model(x, 50.0)
        chosen.zero_grad()
        (bits_per_pixel(output, x).mean() + 100 * (output["x_hat"] - x).square().mean()).backward()
        computed = time.process_time()
        chosen.step()
        nets.append(computed - start)
        steps.append(time.process_time() - computed)
    return min(nets), sum(steps[-10:]) / 10


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.option("--batch", default=8, show_default=True)
@click.option("--crop", default=128, show_default=True)
def main(batch: int, crop: int) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    click.echo("| optimizer | nets (s) | optimizer (s) |\n| --- | --- | --- |")
    for optimizer in ("adam", "muon", "soap"):
        nets, step = seconds(optimizer, batch, crop)
        click.echo(f"| {optimizer} | {nets:.2f} | {step:.2f} |")


if __name__ == "__main__":
    main()
