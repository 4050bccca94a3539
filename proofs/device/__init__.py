"""Whether bugs in the bit-exact model predict bugs in RTL: both run, case by case, and compared.

``observe.py`` runs a set on the SystemVerilog device with a bug switched on; ``predict.py`` asks
the model with the mutant of that name whether the case shows it; ``diagnose.py`` names the mutants
that give the device's bits; ``page.py`` puts both into a table.
"""
