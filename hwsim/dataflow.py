"""How it is placed: a dataflow is a choice of axes, not a class of its own."""

from dataclasses import dataclass

from hwsim.workload import Dim


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """The matrix-product dimension on each side of the array, and the one streamed through it.

    For a convolution m counts output pixels, n output channels and k input channels × taps.
    """

    name: str
    rows: Dim
    cols: Dim
    streamed: Dim


OUTPUT_STATIONARY = Dataflow(name="output-stationary", rows="m", cols="n", streamed="k")
WEIGHT_STATIONARY = Dataflow(name="weight-stationary", rows="k", cols="n", streamed="m")
INPUT_STATIONARY = Dataflow(name="input-stationary", rows="k", cols="m", streamed="n")

DATAFLOWS = {flow.name: flow for flow in (OUTPUT_STATIONARY, WEIGHT_STATIONARY, INPUT_STATIONARY)}
