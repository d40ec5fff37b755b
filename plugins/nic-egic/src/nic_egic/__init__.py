"""EGIC (Koerber et al., ECCV 2024): generative compression with a semantic discriminator."""
