"""PNG files, of any depth."""

from nic_core.pictures.png.files import decode, encode, header, rows, save

__all__ = ["decode", "encode", "header", "rows", "save"]
