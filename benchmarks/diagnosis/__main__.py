"""`python -m benchmarks.diagnosis`: see rates.py."""

from benchmarks.diagnosis.rates import main

main()
