"""Write the hash list of an arithmetic version, or what is new in it; never an old hash again."""

import json
import sys

from refimpl.vectors.manifest import ARITHMETIC_VERSION
from tests.refimpl.vectors.released.sets import committed, extended, hashes, list_of

then = committed() if list_of().exists() else {}
try:
    now = extended(then, hashes())
except ValueError as error:
    sys.exit(f"arithmetic version {ARITHMETIC_VERSION} is released, and {error}")
if now == then:
    sys.exit(f"arithmetic version {ARITHMETIC_VERSION} is released: its hashes stay as they are")
list_of().write_text(json.dumps(now, indent=0, sort_keys=True) + "\n")
