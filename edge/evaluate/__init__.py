"""`branchloop evaluate`: figures against ground truth."""
