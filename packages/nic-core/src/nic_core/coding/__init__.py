"""Coding integers against integer tables, no floats anywhere: the contract (`coder`), the tables (`tables`), our coder.

`interleaved` is the coder that files are written with; its inner loops are compiled (nic-native) or `pure`.
"""

from nic_core.coding.coder import EntropyCoder, EntropyDecoder, EntropyEncoder
from nic_core.coding.interleaved import Interleaved
from nic_core.coding.tables import PRECISION, Tables

__all__ = ["PRECISION", "EntropyCoder", "EntropyDecoder", "EntropyEncoder", "Interleaved", "Tables"]
