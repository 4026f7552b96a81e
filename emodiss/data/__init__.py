"""Small tables that ship with emodiss; each names its source."""
