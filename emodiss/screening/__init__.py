"""Filters of screenplays and their pictures: quality, safety, and what they leave."""
