"""Hostile input by the thousand; each module has a short run in the suite."""
