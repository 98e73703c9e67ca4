"""How good probabilities, orders and lists are, and how sure that is."""
