"""One operator per file: equation, source, forward function, gradient, in that order.

The definitions use ``+ − ×``, slicing and reshaping only (softmax and batch_norm also take ``exp``,
``sqrt`` and ``/`` from the number type), so one text runs on float64 and on exact numbers.
"""
