"""TCM, mixed Transformer-CNN architectures (Liu, Sun and Katto, CVPR 2023)."""
