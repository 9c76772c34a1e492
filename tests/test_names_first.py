"""What is refused for its name alone is refused before anything heavy is imported; a plan loads no weights."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "pandas", "matplotlib", "scipy")
PROGRAM = """
import sys
from rlprobe.cli import main
try:
    main()
except SystemExit as end:
    print(end.code, *(name for name in {heavy} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("disagree", "--pair", "nosuch", "--dry-run"), "no pair is called 'nosuch'; known: bundled"),
        (("disagree", "--dataset", "nosuch"), "no data set 'nosuch', and it was not found as a file either"),
        (("intervene", "--style", "nosuch"), "no prompt style is called 'nosuch'; known: question_answer"),
        (("weights", "--pair", "nosuch"), "no pair is called 'nosuch'"),
        (("lens", "no-run", "--pair", "nosuch"), "no pair is called 'nosuch'"),
        (("grade", "no-run", "--dataset", "nosuch"), "no data set 'nosuch'"),
        (("disagree", "--limit", "0"), "--limit is 0: it is at least 1"),
        (("intervene", "--mode", "entrpy:0.6"), "no mode is called 'entrpy'; known: oracle,"),
        (("intervene", "--mode", "entrpy:0.6"), "; is 'entropy' meant?"),
        (("intervene", "--gate", "not-entropy_abve:1"), "; is 'entropy_above' meant?"),
        (("intervene", "--gate", "never", "--writer", "doner_draw"), "; is 'donor_draw' meant?"),
        (("signals", "--signal", "entropi"), "no signal is called 'entropi'; known: delta, kl"),
        (("signals", "--preset", "dirr"), "--preset is 'dirr': it is one of dir, sbc; is 'dir' meant?"),
    ],
)
def test_an_unknown_name_is_refused_before_a_heavy_library_is_imported(arguments, says):
    program = [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *arguments]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2"]
    assert says in done.stderr


@pytest.mark.parametrize("command", ["disagree", "intervene", "sample", "signals"])
def test_a_plan_loads_no_weights(rlprobe, monkeypatch, command):
    monkeypatch.setattr("rlprobe.pairs.loading.load_network", lambda *_: pytest.fail("weights were loaded"))
    pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer")
    where = ("--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "run")
    code, out, err = rlprobe(command, *pair, *where, "--dry-run")
    assert code == 0, err
    assert "would write to" in out
    assert not (rlprobe.tmp_path / "run").exists()
