"""What core tells users to install is what this repository publishes."""

from pathlib import Path

from nic_core import plugins
from nic_core.plugins.published import DEFAULT, DISTRIBUTIONS


def test_the_table_is_the_repository(monkeypatch):
    monkeypatch.delenv("NIC_PLUGINS", raising=False)
    published = {path.name for path in Path(__file__).parents[1].glob("*/nic-*")}
    brought = {
        spec.id: plugin.distribution
        for plugin, spec in plugins.records("nic_codecs")
        if plugin.distribution in published
    }
    assert brought == DISTRIBUTIONS
    assert DEFAULT in published
