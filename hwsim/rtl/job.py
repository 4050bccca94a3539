"""What a bench is asked, and where it leaves its report: JSON files beside each other."""

import json
import os
from pathlib import Path
from typing import Any

JOB = "HWSIM_RTL_JOB"  # environment variable with the path of the job


def read_job() -> Any:
    """The job of this simulation."""
    return json.loads(Path(os.environ[JOB]).read_text("utf-8"))


def leave_report(report: Any) -> None:
    """Write the report beside the job, as report.json."""
    Path(os.environ[JOB]).with_name("report.json").write_text(json.dumps(report), "utf-8")
