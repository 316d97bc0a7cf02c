"""How `--help` reads: flags without a type, examples below."""

from typing import Any, Final

from typer.core import TyperCommand, TyperGroup, TyperOption

DEMO: Final = "The demo"
SERVER: Final = "Where the server is"
"""Groups of options."""


class Command(TyperCommand):
    """A command whose flags take nothing, and are not shown as if they did."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer names no public type
        return _without_types(super().get_params(ctx))


class Group(TyperGroup):
    """The same for what holds commands."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer names no public type
        return _without_types(super().get_params(ctx))


def examples(*lines: str) -> str:
    """Command lines as an epilogue; brackets are no markup."""
    return "\n".join(("Examples:", *(f"  {line}" for line in lines))).replace("[", "\\[")


def _without_types(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if isinstance(each, TyperOption) and each.is_flag:
            each.metavar = ""
    return parameters
