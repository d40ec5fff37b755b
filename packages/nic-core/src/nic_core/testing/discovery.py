"""A plugin says what it brings, and costs nothing until it is used."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from nic_core.plugins import Plugin, installed, records
from nic_core.spec import resolve
from nic_core.testing.subject import Subject

HEAVY = ("numpy", "torch", "onnxruntime", "tensorflow", "jax", "PIL")
"""What listing codecs must not import."""

LISTING = """
import json, sys
import nic_core
found = [spec.id for spec in nic_core.list_codecs()]
print(json.dumps({"codecs": found, "modules": sorted(sys.modules)}))
"""


class Discovery(Subject, kit=True):
    """See the module."""

    def plugin(self) -> Plugin:
        """Return the report of the plugin that brings the codec."""
        for plugin, spec in records("nic_codecs"):
            if spec.id == self.codec_id:
                return plugin
        broken = [f"{plugin.distribution}: {plugin.error}" for plugin in installed() if plugin.error]
        pytest.fail(
            f"no installed plugin brings {self.codec_id!r}: install the distribution (pip install -e .), whose "
            f"entry point in the group 'nic' names a module with the hook nic_codecs. {' '.join(broken)}"
        )

    def test_the_plugin_loads_without_error(self) -> None:
        """As `nic plugins` shows it."""
        assert not (error := self.plugin().error), f"the plugin fails: {error}"

    def test_listing_codecs_imports_nothing_heavy(self) -> None:
        """In a process of its own, with this plugin alone."""
        environment = {**os.environ, "NIC_PLUGINS": self.plugin().name, "NIC_DISABLE_PLUGINS": ""}
        done = subprocess.run(
            [sys.executable, "-c", LISTING], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert self.codec_id in found["codecs"], f"a fresh process finds {found['codecs']}, without {self.codec_id}"
        targets = {target.partition(":")[0] for target in (self.spec.target, self.spec.graphs) if target}
        loaded = [name for name in (*HEAVY, *sorted(targets)) if name in found["modules"]]
        assert not loaded, (
            f"listing codecs imports {', '.join(loaded)}: the module of the entry point, and the package around it, "
            "must import nothing heavy; what a record points to is imported when it is used"
        )

    def test_records_point_to_what_is_there(self) -> None:
        """Every target of the plugin's records can be imported."""
        for what, target in _targets(self.plugin()):
            try:
                found = resolve(target)
            except (ImportError, AttributeError) as error:
                pytest.fail(f"{what} points to {target!r}, which cannot be had: {error}")
            assert callable(found), f"{what} points to {target!r}, which cannot be called"


def _targets(plugin: Plugin) -> Iterator[tuple[str, str]]:
    for hook, brought in plugin.records.items():
        for record in brought:
            named: Any = getattr(record, "id", "") or getattr(record, "name", "") or getattr(record, "codec", "")
            for attribute in ("target", "graphs", "fingerprints"):
                if target := getattr(record, attribute, ""):
                    yield f"{attribute} of {named!r} ({hook})", target
