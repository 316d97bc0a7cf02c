"""The HTTP API: FastAPI describes it, the ports answer it."""

from flashmm_orchestration.api.app import Parts, build_app

__all__ = ["Parts", "build_app"]
