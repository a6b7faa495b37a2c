"""From boxes in pictures to facts on the floor plan: pure, time and observations in, events out."""
