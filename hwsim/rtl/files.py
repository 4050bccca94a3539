"""A record of cycles to a file."""

import json
from pathlib import Path

from hwsim.io import write_text
from hwsim.rtl.record import Record


def write_record(path: Path, record: Record) -> None:
    """Write measured cycles as JSON, one product a line so that a change reads well."""
    head = record.model_dump(exclude={"measured"})
    lines = ",\n".join("    " + json.dumps(each.model_dump()) for each in record.measured)
    fields = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    write_text(path, f'{{\n{fields}  "measured": [\n{lines}\n  ]\n}}\n')
