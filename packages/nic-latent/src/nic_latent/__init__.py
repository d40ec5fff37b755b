"""Latents coded in integers, the same on every machine; see docs/determinism.md."""
