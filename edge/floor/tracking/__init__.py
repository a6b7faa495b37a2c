"""One camera's boxes become tracks on the floor."""
