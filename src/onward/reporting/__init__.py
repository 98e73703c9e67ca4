"""Every page, figure and template that a person looks at."""
