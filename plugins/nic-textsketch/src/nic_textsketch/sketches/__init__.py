"""Sketches: drawing them (`annotators`, `nic sketches`), and the codec that codes them."""
