"""How well OASIS-C segments pictures that it was not trained on, beside always naming the most frequent class.

python tools/benchmarks/oasis_iou.py runs/egic --data held-out --labels panoptic_val2017.json
python tools/benchmarks/oasis_iou.py runs/egic --data held-out --labels masks --step 30000
"""

from pathlib import Path

import click
import torch
from nic_core.errors import NicError
from nic_egic.discriminator import OasisC
from nic_egic.losses import confusion_matrix, mean_iou, of_majority, segment
from nic_nn.codec import pick_device
from nic_train import checkpoints
from nic_train.data import loader
from nic_train.loop import Loop
from nic_train.request import read_record
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor


def load_run(run: Path, step: int | None) -> Loop:
    """Return a run's networks as they were at a checkpoint, ready to evaluate; NicError where they have no OASIS-C."""
    request = read_record(run).request
    state = checkpoints.read(checkpoints.path_of(run, step))
    loop = Loop(request.recipe(), request.stages())
    checkpoints.check_fits(loop, state["state_dict"])
    loop.load_state_dict(state["state_dict"])
    loop.on_load_checkpoint(state)
    if not isinstance(loop.networks.adversary, OasisC):
        raise NicError(f"{run} trains no OASIS-C")
    return loop.eval()


@torch.inference_mode()
def count(loop: Loop, batches: loader.DataLoader, device: torch.device) -> Tensor:
    """Return the confusion matrix of OASIS-C, which is given the quantised latent of each picture."""
    networks = loop.to(device).validated
    model, adversary = networks.model, networks.adversary
    counts = torch.zeros(adversary.classes, adversary.classes, dtype=torch.int64, device=device)
    for batch in track(batches, "segmenting", console=Console(stderr=True), transient=True):
        batch = batch.to(device).as_float()
        logits = adversary(batch.pixels, model.estimate(model.g_a(batch.pixels)).y_hat)
        counts += confusion_matrix(segment(logits), batch.labels, adversary.classes)
    return counts


@click.command(context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="Folder of held-out pictures; those smaller than the crop are left out.")
@click.option("--labels", required=True, help="Their label maps, as `nic train` takes them.")
@click.option("--step", type=int, help="Of a checkpoint that was kept; the last one where none is given.")
@click.option("--crop", default=256, type=click.IntRange(64), help="Side of the centre crops, a multiple of 64.")
@click.option("--device", default="auto", help="Where to run.")
def main(run: Path, data: str, labels: str, step: int | None, crop: int, device: str) -> None:
    """Print the mean intersection over union of the OASIS-C that RUN, a folder of `nic train`, has trained.

    It is the mean over the classes that occur in the crops, of all pixels that are not void.
    """
    if crop % 64:
        raise click.BadParameter("must be a multiple of 64", param_hint="--crop")
    try:
        loop = load_run(run, step)
        source = loader.open_source(data, crop, None, labels, frozenset({"labels"}), loop.networks.adversary.classes)
        counts = count(loop, loader.validation_loader(source, crop, 1), pick_device(device))
    except NicError as error:
        raise click.ClickException(str(error)) from error
    table = Table(box=None, title=f"{len(source)} pictures, step {loop.step}", title_justify="left")
    table.add_column("found by")
    table.add_column("mean IoU", justify="right")
    table.add_row("OASIS-C", f"{mean_iou(counts):.4f}")
    table.add_row("always the most frequent class", f"{mean_iou(of_majority(counts)):.4f}")
    Console().print(table)


if __name__ == "__main__":
    main()
