"""What nic-ray brings: the engine `ray`. Imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import EngineSpec

api_version = "1.0"


@hookimpl
def nic_engines() -> Iterator[EngineSpec]:
    """The engine."""
    yield EngineSpec("ray", "nic_ray.engine:RayEngine", "The machines of a Ray cluster, or this one.")
