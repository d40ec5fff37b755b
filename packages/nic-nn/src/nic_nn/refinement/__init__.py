"""The search for latents of one picture that cost less than what the analysis transform gives; see docs/effort.md."""
