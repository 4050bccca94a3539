"""Networks with X-volution: what they are made of (``resnet``), and running them (``run``)."""
