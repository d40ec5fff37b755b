"""`nic new-plugin`: a codec to begin with, complete and tested."""

from pathlib import Path

import click

from nic_core.cli.new_plugin import names as naming
from nic_core.cli.output import say, show


@click.command()
@click.argument("name")
@click.option("--latent", is_flag=True, help="A model of latents on nic-nn, to train; otherwise a codec of pixels.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where [default: nic-NAME, here].")
def new_plugin(name: str, latent: bool, out: Path | None) -> None:
    """Write the distribution nic-NAME: a codec NAME that works, with its tests.

    It holds a README, the plugin's module with its entry point, the codec, a licence, a workflow for continuous
    integration, and tests on what every codec must do. With --latent it is a small learned model with its training
    recipe. Change what it computes; the tests say whether it still is a codec.

    docs/write-a-plugin.md leads from here to a trained and measured codec.
    """
    from nic_core.cli.new_plugin import skeleton

    names = naming.checked(name)
    folder = Path(names.distribution) if out is None else out
    written = skeleton.write("latent" if latent else "pixel", names, folder)
    say(f"{len(written)} files of {names.distribution} are in {folder}; next:")
    for line in next_steps(names, folder, latent):
        show(f"  {line}")


def next_steps(names: naming.Names, folder: Path, latent: bool) -> list[str]:
    """Return the commands to go on with."""
    used = (
        f"nic train {names.codec} --data photos/ --steps 3 --out run"
        if latent
        else f"nic encode photo.jpg --codec {names.codec}"
    )
    return [f"pip install -e '{folder}[test]'", f"python -m pytest {folder}", used]
