"""What changed between two sets is said, line by line."""

from refimpl.vectors.case import Choices
from refimpl.vectors.difference import difference
from refimpl.vectors.manifest import Manifest
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

SIZES = Sizes(batch=1, channels=2, outputs=2, height=3, width=3)


def manifest(operators=("conv2d",), choices=None, seed="0", command="refimpl vectors SET", **how):
    cases = random_cases(operators, SIZES, choices or Choices(), seed=seed)
    about = About(command=command, tool_version="0")
    files = dict(set_files(cases, about=about, written=Written(**how)))
    return Manifest.model_validate_json(files["manifest.json"])


def test_a_set_does_not_differ_from_itself():
    assert difference(manifest(), manifest()) == []


def test_another_rounding_changes_an_attribute_its_formula_and_the_bytes_it_changes():
    changes = difference(manifest(), manifest(choices=Choices(rounding="floor")))
    said = {change.where: change.sentence for change in changes}
    key = "conv2d-int8-n1c2o2h3w3k3s1-0 attributes.rounding"
    assert said[key] == f"{key}: half_up -> floor"
    (renamed,) = (change for change in changes if change.where.endswith(" id"))
    assert renamed.after.startswith("conv2d-int8-n1c2o2h3w3k3s1-0-")
    assert "conv2d-int8-n1c2o2h3w3k3s1-0 arithmetic.requantisation" in said
    data = [change.where for change in changes if change.bytes_differ]
    assert data == [
        f"conv2d-int8-n1c2o2h3w3k3s1-0 {name} bytes" for name in ("before_clip", "output")
    ]


def test_another_layout_changes_no_bytes_of_the_arrays():
    changes = difference(manifest(), manifest(layout="nhwc"))
    assert changes
    assert not any(change.bytes_differ for change in changes)
    assert any("layout name: NCHW -> NHWC" in change.sentence for change in changes)


def test_cases_and_files_that_come_and_go_are_said():
    both, one = manifest(("conv2d", "pssa")), manifest(kinds=("npy",))
    gone = [c.sentence for c in difference(both, one) if c.where.startswith("case")]
    assert gone == [f"case pssa-{a}-n1c2o2h3w3k3s1-0: only in the first" for a in ("int8", "fp32")]
    back = [c.sentence for c in difference(one, both) if c.where.startswith("case")]
    assert all(sentence.endswith("only in the second") for sentence in back)
    kinds = [c.sentence for c in difference(both, one) if "kinds of file" in c.where]
    assert "['bin', 'hex', 'npy'] -> ['npy']" in kinds[0]


def test_the_command_is_part_of_what_changed():
    (change,) = difference(manifest(), manifest(command="refimpl vectors OTHER"))
    assert change.where == "command"
    assert not change.bytes_differ
