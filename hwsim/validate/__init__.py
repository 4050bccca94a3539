"""The model beside numbers of others: RTL, simulators, an estimator, and silicon.

A *target* is a file that turns published rows into ``Comparison``s; read ``comparison``, then
``eyeriss``. No constant of the model is fitted to the target it is judged by.
"""

from hwsim.validate.comparison import Comparison

__all__ = ["Comparison"]
