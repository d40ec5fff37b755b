"""Tiles of numcodecs and Zarr arrays by the codecs of nic: lossy, many times smaller."""
