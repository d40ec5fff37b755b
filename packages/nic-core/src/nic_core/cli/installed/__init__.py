"""The verbs about what is installed and set here."""
