"""A real device: SystemVerilog in ``sv/``, and what runs it in a simulator on vectors and layers.

``sv/xv_npu.sv`` is a small processor that runs whole cases of a set of golden vectors;
``sv/xv_gemm.sv`` is a bare systolic array whose cycles the closed forms are held against. Read
``device.py`` (a set through the device) and ``measure.py`` (cycles of layers); ``simulator.py``
finds, builds and runs, ``bench_*.py`` run inside the simulator.
"""
