"""What the hub measures of itself, beside a baseline in the same run."""
