"""Trained weights: their files (`record`), where they are found (`store`), and how they get here (`fetch`)."""

from nic_core.weights.record import WeightsInfo, bundled, fingerprint, read_info, spec_of
from nic_core.weights.store import add, available, is_remote, local, remove, resolve, store_folder, stored

__all__ = [
    "WeightsInfo",
    "add",
    "available",
    "bundled",
    "fingerprint",
    "is_remote",
    "local",
    "read_info",
    "remove",
    "resolve",
    "spec_of",
    "store_folder",
    "stored",
]
