"""A branch as its site file describes it."""
