"""Rates: priors, latents that are measured or coded, the entropy coders."""
