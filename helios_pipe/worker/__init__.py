"""One action in a clean folder, the same code on every machine."""
