"""Whether a symbol's depth diffs and its snapshot fit together."""

from flashmm_demo._messages import Depth, Snapshot


class DepthChain:
    """Follows one connection's sequence of diffs; says when a (new) snapshot is needed.

    Source: Binance USD-M futures, "How to manage a local order book correctly".
    """

    def __init__(self) -> None:
        self._begins_after: int | None = None
        """The update id that the unbroken diffs so far continue from."""
        self._last_id: int | None = None
        self._snapshot_id: int | None = None

    def breaks_at(self, depth: Depth) -> bool:
        """Take in a diff; True when one before it is missing."""
        broken = not self._continues(depth)
        if broken or self._begins_after is None:
            self._begins_after = depth.previous_id
        if broken:
            self._snapshot_id = None
        self._last_id = depth.last_id
        return broken

    def outdates(self, snapshot: Snapshot) -> bool:
        """Take in a snapshot; True when it is older than the diffs that are there to continue it."""
        if self._begins_after is not None and snapshot.last_id < self._begins_after:
            return True
        self._snapshot_id = snapshot.last_id
        return False

    def _continues(self, depth: Depth) -> bool:
        if self._last_id is not None:
            return depth.previous_id == self._last_id
        return self._snapshot_id is None or depth.previous_id <= self._snapshot_id
