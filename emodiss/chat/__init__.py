"""Language models that answer: asked, retried, cached, booked and replayed; of therapy this room knows nothing."""
