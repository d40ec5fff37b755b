"""Text + Sketch (Lei et al., ICML 2023 workshop): pictures from a prompt and a sketch."""
