"""The three questions: how often they are answered rightly."""
