"""Random streams by name: one seed serves many purposes, each with numbers of its own.

`np.random.default_rng([seed, Stream.X])` draws independently of every other stream of the same seed (NumPy,
"Parallel random number generation"). A number, once given, stays: another one changes what a run writes.
"""

from enum import IntEnum, unique


@unique
class Stream(IntEnum):
    """Purposes that draw with the run's seed."""

    HELD_OUT_PAIRS = 1
    HEAD_BOOTSTRAP = 2
    LEVEL_CONTROL_FIT = 3
    CERTIFICATE_HALVES = 4
    GROUP_HALVES = 0x6
    DENSITY_SAMPLE = 8
    HELD_OUT_GAIN_FOLDS = 9
    COUNTED_PAIRS = 0x5A
    RIVALS = 0x71
    AFTER_PAIRS = 0xAF
    SHARED_CUSTOMERS = 0xB1
    TOGETHER_PAIRS = 0xBA
    LEVEL_CONTROL_BACKTEST = 0xC0
    TYPICAL_CONTEXTS = 0xC1
    FIRST_PURCHASES = 0xD1
    ENCODER_STEPS = 0xE2
    ENCODER_RIVALS = 0xE3
    SHORT_LIST_SAMPLE = 0x115
    PRETENDED_CLOCKS = 401
    CUSTOMER_QUARTERS = 402
    JUDGED_ABSENT = 0xAB5
    WHOLE_GRAPH_STEPS = 0xE0C
    RELATED_QUERIES = 0x4E1A
    RANGE_FOLDS = 0x7A6D
    RANGE_LABELS = 0x7A6E
    CUSTOMER_BOOTSTRAP = 0xB007
    HELD_OUT_FOLDS = 0xF01D
    LINK_SPLIT = 0x5B117


@unique
class SimulatorStream(IntEnum):
    """Purposes that draw with the simulated shop's seed, which is a setting of its own."""

    WORLD = 1
    ORDERS = 2
    IMPRESSIONS = 3
    CONVERSIONS = 4
    PRODUCTS = 5
    PURCHASES = 6
