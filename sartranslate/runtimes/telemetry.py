"""Runtimes that tell their makers over the network that they are used, from the moment they are imported."""

from __future__ import annotations

import os
import sys


def silence() -> None:
    """From now on ONNX Runtime and OpenVINO, unless they are imported already, tell nothing in this process."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # OpenVINO goes on without this package; what else turns it off is a file in the user's home.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
