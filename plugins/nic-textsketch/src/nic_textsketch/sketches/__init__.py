"""Sketches: drawing them (`annotators`, `nic sketches`), coding them (`coding`), and the codec that codes most."""
