"""Lossless predictive coding along antidiagonals; see README.md for the order in which to read."""
