"""Outside ids of nodes and items, and the numbers they have inside."""

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[np.str_]


def in_order(ids: npt.ArrayLike) -> Names:
    """Distinct ids in ascending order: as numbers where all of them are whole numbers, else as text.

    >>> in_order(["10", "9", "9"]).tolist(), in_order(["b", "10", "9"]).tolist()
    (['9', '10'], ['10', '9', 'b'])
    """
    names = np.unique(np.asarray(ids, dtype=np.str_))
    if len(names) and all(name.isascii() and name.isdigit() for name in names.tolist()):
        # Equal numbers, such as 7 and 07, stay two ids, in the order of their text.
        return names[np.argsort([int(name) for name in names.tolist()], kind="stable")]
    return names


def numbers_of(names: Names, ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Place of each id among the names, -1 for what is not there."""
    places = {name: place for place, name in enumerate(names.tolist())}
    return np.array([places.get(name, -1) for name in np.asarray(ids, dtype=np.str_).tolist()], dtype=np.int64)
