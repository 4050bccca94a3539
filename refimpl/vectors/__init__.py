"""Golden vectors: operator calls in declared arithmetic, written as files and judged from files.

``case.py`` what a case is; ``stimuli.py`` and ``layer.py`` how one is made; ``layouts.py`` logical
to physical order; ``manifest.py`` the schema of a set; ``write.py`` a set as files; ``check.py``
the verdict on a device's files.
"""
