"""Checkpoints that authors publish: found, downloaded and unpacked, for `nic weights get`."""
