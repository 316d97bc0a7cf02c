"""The rest of a path as one parameter: whatever it holds, slashes and line feeds too."""

from starlette.convertors import Convertor, register_url_convertor


class _Rest(Convertor[str]):
    """Unlike the framework's own `path`, which ends at a line feed."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("rest", _Rest())


def rest(name: str) -> str:
    """The pattern of a route that takes all that is left of the path as the parameter `name`."""
    return f"{{{name}:rest}}"
