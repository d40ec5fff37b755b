"""Arithmetic in integers that is the same on every machine, and the nets that are computed in it."""
