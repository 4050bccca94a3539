"""The article's networks: as data, as shapes, and run.

Read ``graph`` (what a network is) and ``catalogue`` (which there are: ``resnet``, ``fpn``,
``alexnet``, ``vgg``; ``sites`` is what stands in them), then ``shapes`` and ``work`` (what each
layer takes) and ``run``.
"""
