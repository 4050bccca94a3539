"""Write the hash list of a new arithmetic version, and never an old one again."""

import json
import sys

from refimpl.vectors.manifest import ARITHMETIC_VERSION
from tests.refimpl.vectors.released.sets import hashes, list_of

if list_of().exists():
    sys.exit(f"arithmetic version {ARITHMETIC_VERSION} is released: its hashes stay as they are")
list_of().write_text(json.dumps(hashes(), indent=0, sort_keys=True) + "\n")
