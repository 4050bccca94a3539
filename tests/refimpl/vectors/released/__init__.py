"""Released sets: what they are written of, and the hash of every file, by arithmetic version.

``python -m tests.refimpl.vectors.released`` writes the list of a new arithmetic version; that of an
old one is never written again.
"""
