"""In what order latents are coded, and from what each group is predicted."""
