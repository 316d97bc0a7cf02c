"""What is below /api and no route's: told in the API's own form, not by the page."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import Match

from flashmm_orchestration.api._errors import problem
from flashmm_orchestration.api._rest import rest

_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Behind the API's routers."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]

    @app.api_route("/api/" + rest("path"), methods=list(_METHODS), include_in_schema=False)
    async def nowhere(request: Request) -> Response:
        path = request.scope["path"][:64]
        if allowed := _allowed(routes, request):
            return problem(405, "method_not_allowed", f"{path!r} takes {allowed}", allow=allowed)
        return problem(404, "not_found", f"{path!r} is not an address of this API: /docs lists them")

    del nowhere


def _allowed(routes: Sequence[APIRoute], request: Request) -> str:
    """The methods that the address does take, with commas; empty where it is no route's."""
    fits = [route.methods or () for route in routes if route.matches(request.scope)[0] is Match.PARTIAL]
    return ", ".join(sorted(set[str]().union(*fits)))
