"""Direction: public graphs and shopping sequences, and what a customer newly buys after a product."""
