"""Trained weights: their files (`tensors`, `record`), whether they hold what they say (`verification`), where they are
found (`store`), and how they get here (`fetch`)."""

from nic_core.weights.fetch import is_remote, shown
from nic_core.weights.preferred import Default, default, default_codec
from nic_core.weights.record import Scope, WeightsInfo, bundled, fingerprint, is_plain, plain, read_info, spec_of
from nic_core.weights.store import add, available, local, remove, resolve, store_folder, stored, whole
from nic_core.weights.verification import fingerprints, verified, verify

__all__ = [
    "Default",
    "Scope",
    "WeightsInfo",
    "add",
    "available",
    "bundled",
    "default",
    "default_codec",
    "fingerprint",
    "fingerprints",
    "is_plain",
    "is_remote",
    "local",
    "plain",
    "read_info",
    "remove",
    "resolve",
    "shown",
    "spec_of",
    "store_folder",
    "stored",
    "verified",
    "verify",
    "whole",
]
