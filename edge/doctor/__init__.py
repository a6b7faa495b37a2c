"""`branchloop doctor` for a box."""
