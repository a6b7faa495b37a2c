"""`branchloop load`: simulated boxes of many branches before a real hub."""
