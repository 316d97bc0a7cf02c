"""How many rows an answer may have."""

from dataclasses import dataclass

from flashmm_backends.ports import QueryRefused


@dataclass(frozen=True, slots=True)
class PageSize:
    """Rows of a page: where the client names none, and at most."""

    default: int
    largest: int

    def checked(self, limit: int) -> int:
        """The limit a client asked for. Raises QueryRefused over the largest."""
        if limit > self.largest:
            raise QueryRefused("bad_data", f"limit: at most {self.largest} (http.rows_max); follow `next` for more")
        return limit
