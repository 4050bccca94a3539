"""How well local operators predict global attention: a measurement, never a proof.

``populations`` draws images, ``predict`` asks how much of global attention each operator explains,
``steps`` measures the two steps of the article's argument apart, ``study`` runs all of it over
seeds and summarises, ``page`` and ``figure`` say what came out. ``proofs measure`` writes them.
"""
