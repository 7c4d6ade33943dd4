"""Servers that tests talk to: real ones started as processes, and emulators of what has no local server."""
