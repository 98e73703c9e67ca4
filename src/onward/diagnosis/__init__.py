"""Three questions asked of every log: does it have direction, does delay hurt, does doubt pay."""
