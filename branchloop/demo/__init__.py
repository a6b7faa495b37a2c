"""`branchloop demo`: a whole branch on one machine."""
