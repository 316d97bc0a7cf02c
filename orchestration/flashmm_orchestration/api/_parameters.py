"""Query parameters that a route does not have or has once: they would change nothing, silently."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args, get_origin

from fastapi import Request
from fastapi.routing import APIRoute

from flashmm_orchestration._sources import nearest


@dataclass
class UnknownParameter(Exception):
    """A parameter that the route at a path does not take."""

    name: str
    path: str
    known: Sequence[str]

    def __str__(self) -> str:
        has = f"has {', '.join(self.known)}" if self.known else "has none"
        return f"{self.name[:64]!r}: {self.path} has no such parameter, it {has}{nearest(self.name, self.known)}"


@dataclass
class RepeatedParameter(Exception):
    """A parameter that was given several times where one value is meant."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.name!r}: {self.path} takes one; leave the others out"


async def only_known(request: Request) -> None:
    """A dependency of every route of our own API; Prometheus's takes any, as Prometheus does, and so do probes."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    if not route.path.startswith("/api/") or not route.include_in_schema:
        return
    known = {field.alias: field for field in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise UnknownParameter(name, route.path_format, list(known))
        if len(request.query_params.getlist(name)) > 1 and not _takes_many(known[name].field_info.annotation):
            raise RepeatedParameter(name, route.path_format)


def _takes_many(annotation: object) -> bool:
    return list in map(get_origin, (annotation, *get_args(annotation)))
