"""What must be made: nodes and their order."""
