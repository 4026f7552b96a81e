"""What people and language models say about a run."""
