"""What the edge measures of itself, beside a baseline in the same run."""
