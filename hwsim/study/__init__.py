"""The study: does fused X-volution stay conv-friendly? Every form on every site, machine and batch.

Read ``declaration`` first (what is asked, and the rule's thresholds, from one TOML file), then
``rule`` (when a form is conv-friendly, and why not), ``growth`` (how tensors and work grow with the
image and with channels), ``rows`` (one row of data per form, site, batch, machine and pass),
``changes`` (which hardware change buys most), ``curves`` (cycles over images and channels),
``crossover`` (which of three operators takes least at which size), ``answers`` (all of them),
``summary`` and ``article`` (what they come to) and ``words`` (the page).
"""

from hwsim.study.answers import Answers, answered, parts, together
from hwsim.study.changes import Changed, changed
from hwsim.study.crossover import Crossing, crossings
from hwsim.study.curves import Place, curves
from hwsim.study.declaration import Study, Thresholds
from hwsim.study.growth import Growth, growth
from hwsim.study.rows import Row, rows
from hwsim.study.rule import Verdict, judge

__all__ = [
    "Answers",
    "Changed",
    "Crossing",
    "Growth",
    "Place",
    "Row",
    "Study",
    "Thresholds",
    "Verdict",
    "answered",
    "changed",
    "crossings",
    "curves",
    "growth",
    "judge",
    "parts",
    "rows",
    "together",
]
