"""ONNX graphs of a fused X-volution, or of a whole fused network; nothing is read or written.

Start at ``fused_model`` (``model.py``). ``graph`` collects nodes, ``shifts`` has the shifts of both
boundaries, ``pixel_shift`` the forms of pssa, ``attention`` the others, ``network`` a network's
other layers. Operator set 17, which every operator here has had unchanged in meaning since; the
``onnx`` extra is imported when a model is made.
"""

from refimpl.onnx_graph.graph import OPSET
from refimpl.onnx_graph.model import FORMS, fused_model, network_model

__all__ = ["FORMS", "OPSET", "fused_model", "network_model"]
