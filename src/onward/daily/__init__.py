"""Every day: log what the version in use decides, and look at what became of it. Files in, files out."""
