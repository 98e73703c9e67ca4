"""Questions about runs: what exists, what made it, and how to bring it back."""
