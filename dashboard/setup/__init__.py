"""The page *Set-up*: cameras marked, the floor drawn, configurations published."""
