"""Published networks as lists of layers: ResNet, its feature pyramid, AlexNet and VGG-16.

Read ``catalogue`` first: it has the names, and the function that builds a network; ``residual``,
``pyramid`` and ``sequential`` are the layers, ``maps`` what lies between them.
"""

from hwsim.networks.catalogue import NETWORKS, Network, network
from hwsim.networks.residual import STAGES, VERSIONS

__all__ = ["NETWORKS", "STAGES", "VERSIONS", "Network", "network"]
