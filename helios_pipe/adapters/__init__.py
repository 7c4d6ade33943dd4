"""Who runs it: one module a kind of worker, loaded when used."""
