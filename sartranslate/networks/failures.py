"""What failures of frameworks and runtimes mean."""

from __future__ import annotations

from sartranslate.errors import BackendError, DeviceMemoryError

OUT_OF_MEMORY = (
    "out of memory",
    "oom when",
    "can't allocate memory",
    "bad_alloc",
    "bad alloc",
    "failed to allocate",
    "alloc_failed",
)
PLACE = "Exception from "  # OpenVINO's first lines say where in its source


def failure(error: Exception) -> BackendError:
    """What a failure of a framework or runtime in its call means, in one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(PLACE)]
    line = told[0] if told else type(error).__name__
    # The frameworks have a class for each device and way to run out of memory, and one text.
    memory = isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in OUT_OF_MEMORY)
    kind = DeviceMemoryError if memory else BackendError
    return kind(f"the generator failed: {line}")
