"""helios-pipe timed beside its peers: `python -m benchmarks` from the repository's folder."""
