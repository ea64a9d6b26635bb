"""Modules that need an extra which the tests do not bring are collected where it is: there, long tests run."""

import importlib.util

TORCH = [
    "sartranslate/networks/torch_gpu.py",
    "sartranslate/runtimes/torch_graph.py",
    "tests/test_import_weights.py",
    "tests/test_peer_weights.py",
]

collect_ignore = [] if importlib.util.find_spec("torch") else TORCH
