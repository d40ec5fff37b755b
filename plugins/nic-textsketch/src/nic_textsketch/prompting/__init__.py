"""Prompts: finding one for a picture (`inversion`), storing it (`prompts`), and choosing among candidates by CLIP."""
