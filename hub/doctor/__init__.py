"""`branchloop doctor` for a hub."""
