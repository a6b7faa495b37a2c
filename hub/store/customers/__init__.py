"""What is kept of customers: by their consent, under a key each, until it is forgotten."""
