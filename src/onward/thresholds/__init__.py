"""One decision boundary over score and uncertainty level."""
