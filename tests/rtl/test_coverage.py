"""Coverage points in a simulator: Verilator counts what the model counts."""

import subprocess

import numpy as np

from hwsim.rtl.simulator import environment
from refimpl.score.covergroup import covergroups, read_hits
from refimpl.score.measure import hits_of
from refimpl.score.models import run
from refimpl.score.recipe import Recipe
from refimpl.score.samples import look
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices

BENCH = """
module bench;
  import refimpl_coverage::*;
  shift_product_int8_product points;
  initial begin
    points = new();
{calls}
    points.report(32'h8000_0001);
    $finish;
  end
endmodule
"""


def calls_of(case, order):
    """A call of ``sample`` for every element of a case's shift product."""
    for block in look(case, run(case)).events["product"]:
        shape = block["wide"].shape
        spread = [np.broadcast_to(block[name], shape) for name in order]
        for at in np.ndindex(shape):
            yield f"    points.sample({', '.join(str(int(each[at])) for each in spread)});"


def test_verilator_counts_what_the_model_counts(tmp_path, simulator):
    assert simulator == "verilator"
    recipe = Recipe(name="rtl", channels=1, height=3, width=3, values="rails", t_scale="exact")
    case = cook("shift_product.int8", recipe, Choices())
    text = covergroups(["shift_product.int8"])
    head = text[text.index("class shift_product_int8_product") :]
    arguments = head[head.index("sample(") + len("sample(") : head.index(");")].split(", ")
    calls = list(calls_of(case, [each.split()[1] for each in arguments]))
    source = tmp_path / "bench.sv"
    source.write_text(text + BENCH.format(calls="\n".join(calls)))
    command = [
        "verilator", "--binary", "--timing", "-Wno-fatal", "-CFLAGS", "-std=c++20 -fcoroutines",
        "--Mdir", "build", "--top", "bench", str(source),
    ]  # fmt: skip
    built = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-2000:]
    ran = subprocess.run(
        [tmp_path / "build" / "Vbench"], capture_output=True, text=True, check=True
    )
    ours = {
        f"shift_product.int8/{point.id}": hits
        for point, hits in hits_of(case)
        if point.sample == "product"
    }
    counted = read_hits(ran.stdout)
    assert {name: counted[name] for name in ours} == ours
    assert sum(ours.values()) > 0
