"""Coding integers against integer tables, no floats anywhere: the contract (`coder`) and the tables (`tables`)."""

from nic_core.coding.coder import EntropyCoder, EntropyDecoder, EntropyEncoder
from nic_core.coding.tables import PRECISION, Tables

__all__ = ["PRECISION", "EntropyCoder", "EntropyDecoder", "EntropyEncoder", "Tables"]
