"""The entropy coders of latent codecs, by the names that files give them: one writes, all are read."""

from nic_core.coding import EntropyCoder, Interleaved
from nic_core.errors import UnsupportedFile

from nic_nn.entropy.rans import Rans

WRITTEN = Interleaved.name
"""Names the coder of new files."""

CODERS: dict[str, type[EntropyCoder]] = {Interleaved.name: Interleaved, Rans.name: Rans}


def coder(name: str) -> EntropyCoder:
    """Return the coder that a file names; UnsupportedFile for others."""
    if name not in CODERS:
        known = " and ".join(map(repr, CODERS))
        raise UnsupportedFile(f"the file was coded with {name!r}, this codec reads {known}")
    return CODERS[name]()
