"""What transforms and contexts are made of: convolutions, windows of attention, norms, strips of a CPU."""
