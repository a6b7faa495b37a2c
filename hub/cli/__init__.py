"""The operator's commands, a family each."""
