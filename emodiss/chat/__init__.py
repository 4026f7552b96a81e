"""Language models that answer: asked, retried, cached, booked, replayed; nothing of therapy."""
