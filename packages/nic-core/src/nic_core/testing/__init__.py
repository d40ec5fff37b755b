"""What every codec must do, as tests to inherit. Needs pytest: `pip install nic-core[testing]`.

    from nic_core.testing import CodecTests

    class TestMine(CodecTests):
        codec_id = "mine"

`python -m pytest` then runs all of them on the installed codec; docs/write-a-plugin.md leads there.
"""

from nic_core.testing.codec_tests import CodecTests
from nic_core.testing.inheriting import differs

__all__ = ["CodecTests", "differs"]
