"""Three diagnoses of every log: does it have direction, does delay hurt, do uncertainty levels pay."""
