"""Where `onward serve` keeps its logs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServedFolders:
    """Where a service keeps what must outlive it."""

    root: Path

    @property
    def decisions(self) -> Path:
        """See decision_log.py."""
        return self.root / "decisions"

    @property
    def feedback(self) -> Path:
        """See feedback.py."""
        return self.root / "feedback"

    @property
    def products(self) -> Path:
        """See new_products.py."""
        return self.root / "products"
