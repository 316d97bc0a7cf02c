"""RUN: the composition root. Everything is built, started, watched and closed here, and nowhere else."""

__all__: list[str] = []
