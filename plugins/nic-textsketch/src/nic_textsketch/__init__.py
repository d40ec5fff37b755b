"""Text + Sketch (Lei et al., ICML 2023 workshop): so far its codec for sketches, and a maker of sketches."""
