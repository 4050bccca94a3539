"""What is in a file: arrays as words, and words as bytes and texts, each written and read back.

``words`` packs elements; ``readmem`` writes them for ``$readmemh``, ``memory`` for FPGA tools,
``c_header`` for C, ``numpy_file`` as ``.npy`` and ``.npz``; ``constants`` is a case's ``.vh``.
``kinds`` is the table of them all. Pure: bytes in, bytes out.
"""
