"""The pages in docs/runbooks: one for each alert, and the commands in them."""
