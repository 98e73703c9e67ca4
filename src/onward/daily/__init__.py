"""Every day: log what the version in use decides, and assess it by what became of it. Files in, files out."""
