"""The champion in use: looked for in the background, swapped when its successor has been read whole.

Whatever goes wrong on the way (the registry or the store does not answer, a bundle is half-written, MLflow raises what
is not ours), the version that answers goes on answering. It is tried again after twice the time, and the problem is
told by `/health/ready` and the metrics.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from onward.deployment.registry import Registry
from onward.errors import OnwardError, RegistryError
from onward.redaction import redact
from onward.serving.loaded_version import LoadedVersion, load_version, renamed

_MOST_SECONDS = 60.0
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class ChampionState:
    """What is in use and how looking for another went, at one moment.

    Attributes:
        loaded: the version that answers; None before the first.
        problem: why the registry's champion could not be taken, one line; None if it was.
        failures: of that kind in a row.
        swaps: versions that took over since the start, the first included.
    """

    loaded: LoadedVersion | None = None
    problem: str | None = None
    failures: int = 0
    swaps: int = 0


class Champion:
    """The registry's champion, read anew when another version takes its place.

    `state` is replaced whole, so a request that takes it once answers from one version.
    """

    def __init__(
        self, registry: Registry, every: float, on_look: Callable[[ChampionState], None] | None = None
    ) -> None:
        """Look at the registry every so many seconds, after failures at most every minute.

        Args:
            registry: whose champion is in use.
            every: seconds between looks.
            on_look: told the state after each look.
        """
        self._registry = registry
        self._every = every
        self._on_look = on_look
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None
        self.state = ChampionState()

    def now(self) -> LoadedVersion:
        """The version in use.

        Raises:
            RegistryError: there is none yet.
        """
        loaded = self.state.loaded
        if loaded is None:
            raise RegistryError(
                self.state.problem or "the model in use is being read; ask again in a moment, or see /health/ready"
            )
        return loaded

    def look(self) -> None:
        """Compare what is in use with the registry's champion, and take that one if it can be read whole."""
        state = self.state
        try:
            loaded = self._champion(state.loaded)
        except Exception as error:  # noqa: BLE001 - MLflow, SQLAlchemy and boto raise errors of their own; none may end this
            self.state = replace(state, problem=told(error), failures=state.failures + 1)
        else:
            swapped = state.loaded is None or loaded.number != state.loaded.number
            self.state = ChampionState(loaded, None, 0, state.swaps + swapped)
        if self._on_look is not None:
            self._on_look(self.state)
        self._looked.set()

    def start(self) -> None:
        """Look in the background until `stop`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._look_on, name="champion", daemon=True)
        self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """End the looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(patience)

    def looked(self, patience: float) -> bool:
        """Wait for the first look."""
        return self._looked.wait(patience)

    def pause(self) -> float:
        """Seconds until the next look.

        >>> champion = Champion(None, 2.0)
        >>> champion.state = ChampionState(failures=3)
        >>> champion.pause()
        16.0
        """
        failures = min(self.state.failures, 16)
        return max(self._every, min(self._every * 2.0**failures, _MOST_SECONDS))

    def _look_on(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self.pause())

    def _champion(self, loaded: LoadedVersion | None) -> LoadedVersion:
        version = self._registry.champion()
        if version is None:
            raise RegistryError(
                "the registry names no champion any more; `onward promote NUMBER --reason=…` names one"
                if loaded
                else "nothing is deployed; run the pipeline, then `onward status`"
            )
        if loaded is not None and loaded.version == version:
            return loaded
        if loaded is not None and loaded.version.bundle_sha256 == version.bundle_sha256:
            return renamed(loaded, version)
        return load_version(version, self._registry.folder(version))


def told(error: Exception) -> str:
    r"""An error as one line without the password of an address.

    >>> told(ValueError("no answer from postgresql://me:secret@db/mlflow\nand more"))
    'ValueError: no answer from postgresql://…@db/mlflow'
    """
    lines = str(error).strip().splitlines()
    text = redact(lines[0] if lines else "")[:_MOST_CHARACTERS]
    return text if isinstance(error, OnwardError) else f"{type(error).__name__}: {text}"
