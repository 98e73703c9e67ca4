"""What a label that has not arrived yet is worth."""
