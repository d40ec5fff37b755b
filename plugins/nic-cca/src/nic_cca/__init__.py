"""Causal context adjustment (Han et al., NeurIPS 2024): uneven slices, NAF blocks, and a loss that orders them."""
