"""Without PyTorch its expressions cannot be imported, not even to look for examples in them."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["expressions.py"]
