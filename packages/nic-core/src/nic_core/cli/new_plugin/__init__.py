"""`nic new-plugin`: the verb (`command`), names (`names`), and the files that it writes (`skeleton`, `templates`)."""
