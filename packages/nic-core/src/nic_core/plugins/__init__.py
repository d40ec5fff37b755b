"""Installed plugins and the records that they bring."""

from nic_core.plugins.discovery import Plugin, codec_spec, installed, list_codecs, load, records
from nic_core.plugins.faults import blame, blamed, fault

__all__ = ["Plugin", "blame", "blamed", "codec_spec", "fault", "installed", "list_codecs", "load", "records"]
