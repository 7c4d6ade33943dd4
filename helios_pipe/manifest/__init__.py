"""What was asked: a manifest from text to frozen values."""
