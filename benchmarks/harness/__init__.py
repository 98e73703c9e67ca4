"""What benchmarks share: one form for what they find, and what they have finished kept on disk."""
