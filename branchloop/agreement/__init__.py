"""What customers agree to, word for word."""
