"""Everything that machines share, as one folder that all of it can be made of again."""
