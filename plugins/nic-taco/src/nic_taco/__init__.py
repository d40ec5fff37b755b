"""TACO (Lee et al., ICML 2024): an image codec whose encoder reads a caption; decoding needs no text."""
