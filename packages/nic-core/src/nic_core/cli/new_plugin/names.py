"""The names of a new plugin: one that is free gives all others."""

import keyword
import re
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec

from nic_core.errors import BadOption
from nic_core.plugins import installed, records
from nic_core.plugins.published import BASE, DISTRIBUTIONS, TOOLS

LONGEST = 40


@dataclass(frozen=True)
class Names:
    """What a plugin NAME is called.

    codec: the id, NAME itself. distribution: nic-NAME. package: as it is imported. title: for names of classes.
    """

    codec: str

    @property
    def distribution(self) -> str:
        """The name that is installed."""
        return f"nic-{self.codec}"

    @property
    def package(self) -> str:
        """The name that is imported."""
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        """In capitals, as classes have it."""
        return "".join(part.capitalize() for part in self.codec.split("-"))


def checked(name: str) -> Names:
    """Return the names that a name gives; BadOption where it has another form, or where one of them is taken."""
    if name.startswith("nic-"):
        raise BadOption(f"leave out 'nic-', the distribution gets it by itself: {name.removeprefix('nic-') or 'NAME'}")
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise BadOption(
            f"a plugin's name is lower-case letters and digits, with single hyphens between, at most {LONGEST}, and "
            f"begins with a letter; not {name[:80]!r}"
        )
    names = Names(name)
    if keyword.iskeyword(name):
        raise BadOption(f"{name!r} is a word of Python: choose another name")
    for plugin, spec in records("nic_codecs"):
        if spec.id == name:
            raise BadOption(f"there is a codec {name!r} already, of {plugin.distribution}: choose another name")
    taken = {*DISTRIBUTIONS, *DISTRIBUTIONS.values(), *BASE, *TOOLS, *(plugin.name for plugin in installed())}
    if {name, names.distribution} & taken:
        raise BadOption(f"{name!r} is a name of nic's own: choose another")
    present = {re.sub("[-_.]+", "-", found.name or "").lower() for found in distributions()}
    if names.distribution in present or find_spec(names.package):
        raise BadOption(f"a distribution {names.distribution} is installed already: choose another name")
    return names
