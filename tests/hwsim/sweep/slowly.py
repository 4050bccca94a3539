"""A sweep part by part, with time between them to be killed in: declaration, directory, address.

Run as a script by the tests. Prints the number of every part that is in its place.
"""

import json
import sys
import time
from pathlib import Path

from hwsim.io import sweeps
from hwsim.io.runners import locally, on_cluster


def main(declaration, directory, scheduler_file=None):
    asked = sweeps.read_declaration(declaration)
    parts = sweeps.start(Path(directory), asked, resume=False, part_points=500)
    wanted, _ = sweeps.missing(parts)
    if scheduler_file is None:
        done = locally(parts, wanted, 1)
    else:
        address = json.loads(Path(scheduler_file).read_text(encoding="utf-8"))["address"]
        done = on_cluster(parts, wanted, address)
    for number, content in done:
        sweeps.write_part(parts, number, content)
        print(number, flush=True)  # noqa: T201 - the tests read it
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
