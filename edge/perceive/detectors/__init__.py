"""Person detectors, one family of models a module."""
