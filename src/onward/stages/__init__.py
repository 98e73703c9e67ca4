"""One thin module per DVC stage: read, call, write."""

import os

# OpenMP reads this once, when the first library loads it. By default its threads spin while they wait, which on two
# shared cores made boosting three times slower than sleeping does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
