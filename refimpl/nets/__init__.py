"""Networks with X-volution: as data (``graph``, ``sites``, ``resnet``), and run (``run``)."""
