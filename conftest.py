"""Doctests are looked for in every module; the one that needs an extra which the tests do not bring has none."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("torch") else ["sartranslate/torch_graph.py"]
