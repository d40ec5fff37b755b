"""TIFF files: what Pillow reads of them, and what it takes more for."""
