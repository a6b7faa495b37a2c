"""branchloop: what every program of the house shares."""

__version__ = "0.1.0"
