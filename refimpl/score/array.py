"""What a device works on at a time: where the edges of its tiles lie."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class ArrayShape(NamedTuple):
    """Input channels, output channels and pixels of a tile."""

    c_in: int = 4
    c_out: int = 4
    pixels: int = 4

    def sizes(self) -> dict[str, int]:
        """The sizes under the names that coverage points know."""
        return {f"tile_{name}": size for name, size in self._asdict().items()}

    def resolved(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """A bug's arguments, "c_in", "c_out" and "pixels" among them replaced by their sizes."""
        sizes = self._asdict()
        return {
            name: sizes.get(value, value) if isinstance(value, str) else value
            for name, value in arguments.items()
        }


ARRAY = ArrayShape()
"""Where nothing is declared; ours, as small as shows a ragged edge."""
