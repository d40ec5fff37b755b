"""The size of a sketch model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SketchConfig:
    """width: channels of the transforms, of y and of z; 192 in the paper. ValueError where it is odd or below 2."""

    width: int = 192

    def __post_init__(self) -> None:
        """Check the width."""
        if self.width < 2 or self.width % 2:
            raise ValueError(f"the width must be an even number above 0, not {self.width}")
