"""All tests of any codec in one class."""

from nic_core.testing.discovery import Discovery
from nic_core.testing.files import Files
from nic_core.testing.hosting import Hosting
from nic_core.testing.rates import Rates
from nic_core.testing.round_trips import RoundTrips
from nic_core.testing.runtimes import Runtimes
from nic_core.testing.settings import Settings


class CodecTests(Discovery, RoundTrips, Files, Settings, Rates, Runtimes, Hosting, kit=True):
    """What every codec must do. A subclass says `codec_id`, and what else `Subject` and `Hosting` name.

    Replacing a test is an error unless it is marked with `nic_core.testing.differs`; more tests can be added, which
    may use the fixtures `codec` and `weights`.
    """
