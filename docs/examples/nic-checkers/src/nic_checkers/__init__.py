"""A hyperprior with a checkerboard context; see README.md for the order in which to read."""
