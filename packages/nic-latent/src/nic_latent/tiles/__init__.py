"""Latents of large pictures, divided into tiles and put together again."""
