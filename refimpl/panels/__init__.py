"""The engine under the fast paths and the bit-exact sums: panels of pixels times rows of kernels.

``product`` packs and multiplies, ``tile`` is its inner loop, ``lanes`` the instructions, and
``reach`` says where a convolution reads. Nothing here is called by users.
"""
