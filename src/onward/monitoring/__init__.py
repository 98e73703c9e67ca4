"""Has positivity per uncertainty level moved? Statistics, tests, signals and alerts."""
