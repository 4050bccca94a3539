"""What a set of vectors is worth: hardware bugs it catches, and corners it reaches.

``mutant.py`` says what a bug is, ``catalogue/`` holds them with the coverage points, one file per
operator; ``device.py`` and its neighbours run the bit-exact model with a bug switched on;
``kill.py`` holds sets against bugs, ``measure.py`` against points. Read ``mutant.py`` first.
"""
