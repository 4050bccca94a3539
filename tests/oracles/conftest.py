"""What an environment does not have cannot be imported, not even to look for examples in it."""

from importlib.util import find_spec

NEEDED = {"expressions.py": "torch", "vela_layer.py": "ethosu"}
collect_ignore = [file for file, package in NEEDED.items() if not find_spec(package)]
