"""How good the figures are, measured against ground truth: pure."""
