"""Exit codes, sentences and files of the ``proofs`` command."""

import json

import pytest

from proofs import cli
from proofs.catalogue import CLAIMS
from proofs.claims import folding

QUICK = "opposite-directions-are-redundant"
FALSE = "x-volution-is-a-convolution-of-its-input"


@pytest.fixture
def proofs(monkeypatch, capsys):
    """Run the command; return its exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["proofs", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def forgotten_beta(monkeypatch):
    right = folding.fold_batch_norm
    monkeypatch.setattr(
        folding,
        "fold_batch_norm",
        lambda w, b, bn, **rest: right(w, b, bn._replace(beta=bn.beta * 0), **rest),
    )


def test_claims_that_come_out_as_stated_exit_0(proofs):
    code, out, _ = proofs("check", QUICK, FALSE)
    assert code == 0
    assert "holds" in out
    assert "refuted" in out
    assert "2 checked, 0 surprises" in out


def test_the_counterexample_of_a_false_claim_is_shown_in_numbers(proofs):
    _, out, _ = proofs("check", FALSE)
    assert f"counterexample to {FALSE}" in out
    assert "x = [1] gives [1], and 2·x gives [4]" in " ".join(out.split())


@pytest.mark.usefixtures("forgotten_beta")
def test_a_surprise_exits_1_and_is_shown(proofs):
    id_ = "batch-norm-folds-into-the-convolution"
    code, out, _ = proofs("check", id_)
    assert code == 1
    assert f"SURPRISE {id_}: it fails at image=(1, 1, 1, 1)" in out
    assert proofs("show", id_)[0] == 1


@pytest.mark.parametrize("command", ["check", "list"])
def test_an_unknown_pattern_exits_2_with_one_sentence(proofs, command):
    code, out, err = proofs(command, "opposite-direction-are-redundant")
    assert (code, out) == (2, "")
    assert err.strip() == (
        "proofs: a pattern must match a claim that `proofs list` shows, not "
        f"'opposite-direction-are-redundant'; the nearest is {QUICK}"
    )


def test_an_unknown_id_exits_2(proofs):
    code, _, err = proofs("show", "opposite")
    assert code == 2
    assert err.count("\n") == 1


def test_an_unknown_option_exits_2(proofs):
    assert proofs("check", "--fast")[0] == 2


@pytest.mark.parametrize("arguments", [("check", QUICK, "--json"), ("render",)])
def test_a_directory_that_does_not_exist_exits_2_before_anything_is_checked(
    proofs, arguments, tmp_path, monkeypatch
):
    monkeypatch.setattr(cli, "check_each", lambda *_: pytest.fail("checked"))
    code, _, err = proofs(*arguments, str(tmp_path / "nowhere" / "file"))
    assert code == 2
    assert "must exist before the file is written" in err


def test_the_json_file_is_the_same_every_time_apart_from_the_seconds(proofs, tmp_path):
    files = [tmp_path / name for name in ("first.json", "second.json")]
    for file in files:
        assert proofs("check", QUICK, FALSE, "--json", str(file))[0] == 0
    first, second = ([row | {"seconds": 0} for row in json.loads(f.read_text())] for f in files)
    assert first == second
    assert [row["id"] for row in first] == [FALSE, QUICK]
    assert first[0]["counterexample"] == {"sides": [1, 1], "w_c": 0, "w_a": 1, "pixels": [1]}


@pytest.mark.usefixtures("forgotten_beta")
def test_the_json_file_is_written_when_there_is_a_surprise_too(proofs, tmp_path):
    file = tmp_path / "verdicts.json"
    assert proofs("check", "batch-norm-folds-into-the-convolution", "--json", str(file))[0] == 1
    assert "it fails at" in json.loads(file.read_text())[0]["surprise"]


def test_list_names_every_claim(proofs):
    code, out, _ = proofs("list")
    assert code == 0
    assert all(id_ in out for id_ in CLAIMS)


def test_show_says_where_a_claim_comes_from_and_how_to_check_it_again(proofs):
    code, out, _ = proofs("show", FALSE)
    claim = CLAIMS[FALSE]
    assert code == 0
    for said in (claim.statement, claim.source.text, claim.source.translation, claim.order):
        assert said in out
    assert f"again: proofs check {FALSE}" in out


def test_show_says_what_fails_without_each_hypothesis(proofs):
    out = proofs("show", QUICK)[1]
    assert f"{CLAIMS[QUICK].hypotheses[0].text}; without it, fails at image=" in out
    assert "origin: ours, on A2" in out


def test_render_writes_the_page_to_a_file_or_to_standard_output(proofs, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "CLAIMS", {QUICK: CLAIMS[QUICK]})
    code, out, _ = proofs("render")
    assert code == 0
    assert out.startswith("# Claims\n")
    assert proofs("render", str(tmp_path / "claims.md"))[0] == 0
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == out


@pytest.mark.parametrize("arguments", [(), ("--help",), ("check", "--help"), ("render", "--help")])
def test_help_is_one_command_away(proofs, arguments):
    code, out, _ = proofs(*arguments)
    assert code == 0
    assert "proofs" in out
    if arguments[:1] == ("check",):
        assert "Examples:" in out
