"""What every codec must do, as tests to inherit. Needs pytest: `pip install nic-core[testing]`.

    from nic_core.testing import CodecTests

    class TestMine(CodecTests):
        codec_id = "mine"

`python -m pytest` then runs all of them on the installed codec; docs/write-a-plugin.md leads there.
"""

from nic_core.testing.agreement import Agreement
from nic_core.testing.discovery import Discovery
from nic_core.testing.files import Files
from nic_core.testing.hosting import Hosting
from nic_core.testing.inheriting import differs
from nic_core.testing.round_trips import RoundTrips
from nic_core.testing.settings import Settings

__all__ = ["CodecTests", "differs"]


class CodecTests(Discovery, RoundTrips, Files, Settings, Agreement, Hosting, kit=True):
    """What every codec must do. A subclass says `codec_id`, and what else `Subject` and `Hosting` name.

    Replacing a test is an error unless it is marked with `differs`; more tests can be added, which may use the fixtures
    `codec` and `weights`.
    """
