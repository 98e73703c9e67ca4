"""When tests kill what they started: the same moments in every run, or others where somebody asks for them."""

import os
import random

SEED = 20171120


def kill_moments() -> random.Random:
    """Return the stream of moments; ONWARD_KILL_SEED gives another seed, `random` one that is drawn and printed."""
    asked = os.environ.get("ONWARD_KILL_SEED", str(SEED))
    seed = random.SystemRandom().randrange(2**32) if asked == "random" else int(asked)
    print(f"moments drawn with ONWARD_KILL_SEED={seed}")
    return random.Random(seed)
