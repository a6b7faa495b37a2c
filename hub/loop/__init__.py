"""The loop between a bank's online and offline customers: pure, no adapter known."""
