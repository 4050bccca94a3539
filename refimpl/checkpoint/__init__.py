"""Checkpoints: arrays by key in, X-volutions found by name, fused, and arrays by key out.

Start at ``fuse_state`` (``state.py``). ``keys`` knows names, ``mapping`` a user's own names,
``torchvision`` those of a ResNet, ``attributes`` what arrays do not tell, ``precision`` the number
types, ``site`` one X-volution, ``check`` whether fusing kept it. All pure: files are
``refimpl.io``'s.
"""

from refimpl.checkpoint.attributes import parse_attributes
from refimpl.checkpoint.check import SiteCheck, check_site
from refimpl.checkpoint.keys import Recognised, recognise
from refimpl.checkpoint.mapping import KeyMap, parse_map, translate
from refimpl.checkpoint.precision import DTYPES, round_once, widen
from refimpl.checkpoint.site import FusedSite, fuse_site
from refimpl.checkpoint.state import FusedState, fuse_state
from refimpl.checkpoint.torchvision import TORCHVISION

__all__ = [
    "DTYPES",
    "TORCHVISION",
    "FusedSite",
    "FusedState",
    "KeyMap",
    "Recognised",
    "SiteCheck",
    "check_site",
    "fuse_site",
    "fuse_state",
    "parse_attributes",
    "parse_map",
    "recognise",
    "round_once",
    "translate",
    "widen",
]
