"""The only place where ``refimpl`` opens files.

``files`` writes and reads, ``sets`` knows golden vectors, ``device`` and ``streams`` what a device
left, ``cases`` reads a set's cases back, ``foreign`` others' test cases; ``photographs`` pictures,
``textures`` and ``weights`` what networks are trained on and what they learned, ``checkpoints``
anybody's weights and ONNX graphs, ``figures`` draws. Whatever is wrong with a file becomes one
sentence (``UnusableError``); what is being written is complete or absent, never half.
"""

from refimpl.io.cases import read_cases, read_log
from refimpl.io.checkpoints import (
    must_take_checkpoint,
    read_checkpoint,
    read_mapping,
    write_checkpoint,
    write_model,
)
from refimpl.io.device import (
    device_files,
    must_be_directory,
    read_device,
    read_device_case,
)
from refimpl.io.dut import dut_of, read_dut
from refimpl.io.figures import require_plots, study_figure
from refimpl.io.files import (
    UnusableError,
    must_be_new,
    tool_version,
    write_bytes,
    write_directory,
    write_text,
)
from refimpl.io.foreign import read_subjects
from refimpl.io.judging import (
    Court,
    judge_case,
    judged_elements,
)
from refimpl.io.judging_sequences import judge_sequence
from refimpl.io.memories import device_images, golden_images
from refimpl.io.mismatch import mismatch_figure, must_be_drawable
from refimpl.io.onnx_models import read_feeds, read_onnx
from refimpl.io.photographs import PHOTOGRAPHS, read_photograph
from refimpl.io.recompute import recompute
from refimpl.io.reproduce import hashes_of, written_again
from refimpl.io.sets import (
    decode,
    every_file,
    is_set,
    read_case,
    read_manifest,
    read_tensor,
    verify_files,
)
from refimpl.io.shrinking import shrink_case
from refimpl.io.streams import Bounding, compare_files
from refimpl.io.tables import read_tables
from refimpl.io.textures import PICTURES, read_textures
from refimpl.io.tosa import tosa_files
from refimpl.io.weights import (
    Trained,
    must_take_weights,
    read_weights,
    trained_digest,
    trained_small,
    write_weights,
)

__all__ = [
    "PHOTOGRAPHS",
    "PICTURES",
    "Bounding",
    "Court",
    "Trained",
    "UnusableError",
    "compare_files",
    "decode",
    "device_files",
    "device_images",
    "dut_of",
    "every_file",
    "golden_images",
    "hashes_of",
    "is_set",
    "judge_case",
    "judge_sequence",
    "judged_elements",
    "mismatch_figure",
    "must_be_directory",
    "must_be_drawable",
    "must_be_new",
    "must_take_checkpoint",
    "must_take_weights",
    "read_case",
    "read_cases",
    "read_checkpoint",
    "read_device",
    "read_device_case",
    "read_dut",
    "read_feeds",
    "read_log",
    "read_manifest",
    "read_mapping",
    "read_onnx",
    "read_photograph",
    "read_subjects",
    "read_tables",
    "read_tensor",
    "read_textures",
    "read_weights",
    "recompute",
    "require_plots",
    "shrink_case",
    "study_figure",
    "tool_version",
    "tosa_files",
    "trained_digest",
    "trained_small",
    "verify_files",
    "write_bytes",
    "write_checkpoint",
    "write_directory",
    "write_model",
    "write_text",
    "write_weights",
    "written_again",
]
