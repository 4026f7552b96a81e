"""Pages for people to look at: the session report."""
