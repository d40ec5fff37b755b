"""Installed plugins and the records that they bring."""

from nic_core.plugins.discovery import Plugin, codec_spec, installed, list_codecs, load, records

__all__ = ["Plugin", "codec_spec", "installed", "list_codecs", "load", "records"]
