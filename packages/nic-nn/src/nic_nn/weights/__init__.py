"""Weights files: written, read, made from checkpoints and graphs."""
