"""What happens next: planning (pure) and the loop."""
