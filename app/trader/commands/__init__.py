"""The `trader` command's parts. They load what they need when they run, so that each answers at once."""
