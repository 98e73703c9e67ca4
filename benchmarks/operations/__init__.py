"""Operations: the default run, history replayed, runs on many machines."""
