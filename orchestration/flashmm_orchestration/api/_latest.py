"""Lists whose latest row comes first, in pages: what a page reads of its store, and the address of the next."""

from collections.abc import Sequence
from dataclasses import dataclass

from flashmm_backends.ports import QueryRefused, Window
from flashmm_orchestration.api._cursor import LatestCursor, encoded, latest_cursor, link
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._times import parse_window


@dataclass(frozen=True, slots=True)
class Asked:
    """What every such list may be asked for, as the client gave it."""

    start: str
    end: str
    limit: int
    cursor: str


@dataclass(frozen=True, slots=True)
class LatestPage:
    """One page. first: the window of the first one. rows: how many it holds."""

    first: Window
    rows: int
    place: LatestCursor | None

    @property
    def window(self) -> Window:
        """Where its rows are: back from the nanosecond in which the page before ended."""
        return Window(self.first.start_ns, self.place.time_ns + 1) if self.place else self.first

    @property
    def given(self) -> int:
        """How many rows of that nanosecond came before."""
        return self.place.ties if self.place else 0

    @property
    def limit(self) -> int:
        """Rows to ask the store for: those given before, the page's, and one to tell whether more follow."""
        return self.given + self.rows + 1

    def next(self, path: str, keys: Sequence[tuple[int, str]], *parameters: tuple[str, str]) -> str | None:
        """The address of the following page, None at the end. keys: time and id of each row. parameters: filters."""
        if len(keys) <= self.rows:
            return None
        last_ns, last_id = keys[self.rows - 1]
        ties = sum(time_ns == last_ns for time_ns, _ in keys[: self.rows])
        if self.place and self.place.time_ns == last_ns:
            ties += self.place.ties
        cursor = LatestCursor(self.first.start_ns, self.first.end_ns, last_ns, last_id, ties)
        return link(path, *parameters, ("limit", str(self.rows)), ("cursor", encoded(cursor)))


def latest_page(asked: Asked, size: PageSize, now_ns: int) -> LatestPage:
    """The page that was asked for. Raises BadTime, QueryRefused."""
    place = latest_cursor(asked.cursor) if asked.cursor else None
    if place and place.ties > size.largest:
        told = f"cursor: over {size.largest} rows (http.rows_max) have one time, {place.time_ns} ns: filter the list"
        raise QueryRefused("bad_data", told)
    first = place.window if place else parse_window(asked.start, asked.end, now_ns)
    return LatestPage(first, size.checked(asked.limit), place)
