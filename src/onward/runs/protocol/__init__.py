"""A run as a git branch: started, taken stage by stage, finished."""
