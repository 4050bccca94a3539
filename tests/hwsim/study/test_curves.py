"""Growth on machines: the sums of an estimate, and where the crossings show in cycles."""

from hwsim.evaluate import layer_forms
from hwsim.io import preset
from hwsim.study import Place, Study, curves
from hwsim.study.curves import FOLLOWED
from hwsim.study.summary import COMPETING, cheapest

STUDY = Study(machines=("davinci-310p", "nvdla-small"), growth_sides=(7, 14), growth_channels=(64,))


def test_a_place_costs_what_a_layer_of_that_shape_costs_or_says_what_is_missing():
    for name in STUDY.machines:
        unit = preset(name)
        found = list(curves(STUDY, [unit]))
        assert [(each.form, each.side) for each in found] == [
            (f, s) for f in FOLLOWED for s in (7, 14)
        ]
        for side in (7, 14):
            costs = layer_forms(
                unit, in_channels=64, out_channels=64, height=side, width=side, relu=False
            )
            for each in found:
                if each.side == side:
                    missing = costs[each.form].not_executable
                    assert (each.cycles is None) == bool(missing) == bool(each.missing)
                    assert each.cycles in (None, costs[each.form].cost.cycles)


def test_the_cheapest_is_named_only_where_all_three_run():
    def at(form, cycles):
        return Place(machine="m", form=form, channels=64, side=7, macs=1, cycles=cycles)

    one, two, three = COMPETING
    assert cheapest([at(one, 9), at(two, 5), at(three, 7)]) == {("m", 64, 7): two}
    assert cheapest([at(one, 9), at(two, None), at(three, 7)]) == {}
