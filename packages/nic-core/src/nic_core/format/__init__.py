"""The .nic file: its layout (`container`), and what it holds besides coded pixels (`chunks`)."""
