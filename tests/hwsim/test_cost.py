import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost import Cost
from tests.hwsim.strategies import costs


@settings(deadline=None)
@given(a=costs, b=costs, c=costs)
def test_costs_form_a_commutative_monoid(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Cost() == a


@settings(deadline=None)
@given(st.lists(costs))
def test_cycles_and_bytes_of_a_sum_are_the_sums(parts):
    total = sum(parts, Cost())
    assert total.cycles == sum(part.cycles for part in parts)
    assert total.dram_bytes == sum(part.dram_bytes for part in parts)


@settings(deadline=None)
@given(costs)
def test_the_budget_sums_to_the_total(cost):
    named = [value for name, value in vars_of(cost).items() if name.endswith("_cycles")]
    assert cost.cycles == sum(cost.budget.values()) == sum(named) - cost.hidden_vector_cycles


@pytest.mark.parametrize("name", sorted(Cost.__dataclass_fields__))
def test_no_part_of_a_cost_is_negative(name):
    with pytest.raises(ValueError, match=f"^{name} must not be negative"):
        Cost(**{name: -1})


def test_an_idle_cost_has_no_utilisation():
    assert Cost().utilisation(16) == 0
    assert Cost(compute_cycles=4, macs=32).utilisation(16) == 0.5


def vars_of(cost):
    return {name: getattr(cost, name) for name in Cost.__dataclass_fields__}
