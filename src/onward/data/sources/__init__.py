"""One module per source of purchase and recommendation logs."""
