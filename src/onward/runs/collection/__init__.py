"""What old runs left behind, and how it is collected without touching what is in use."""
