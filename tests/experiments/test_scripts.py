"""What the scripts ask of rlprobe's commands: options that these have. No command does anything here."""

import importlib
from pathlib import Path

import pytest
from click.testing import CliRunner

import rlprobe as rp
from experiments.own_pairs import OWN
from rlprobe.api import _given
from rlprobe.commands import COMMANDS
from rlprobe.errors import BadInput, NotAvailable
from rlprobe.settings import made

ROOT = Path(__file__).parents[2]
CALLS = {  # script -> the command that it calls first
    "disagreement": "disagree",
    "interventions": "intervene",
    "backward": "intervene",
    "direction": "disagree",
    "divergence": "disagree",
    "flips": "flips",
    "signals": "signals",
    "extrapolation": "intervene",
    "sampling": "sample",
    "sharpening_or_discovery": "disagree",
    "footprint": "footprint",
    "internals": "disagree",
    "weights": "weights",
}


class Asked(Exception):
    """In place of a command's work."""


@pytest.fixture
def made_settings(monkeypatch):
    """The settings that commands were called with, through the Python door."""
    calls = []

    def stand_in(name):
        def call(*places, **options):
            calls.append((name, made(COMMANDS[name].settings, _given(COMMANDS[name].settings, places, options))))
            raise Asked

        return call

    for name in COMMANDS:
        monkeypatch.setattr(rp, name, stand_in(name), raising=False)
    return calls


WANTED = [(script, pair) for script in CALLS for pair in OWN if script != "footprint" or OWN[pair].checkpoints]


@pytest.mark.parametrize(("script", "pair"), WANTED)
def test_a_script_asks_its_command_for_what_it_has(script, pair, made_settings):
    main = importlib.import_module(f"experiments.{script}").main
    assert isinstance(CliRunner().invoke(main, ["--pair", pair]).exception, Asked)
    name, settings = made_settings[0]
    assert name == CALLS[script]
    assert settings.problems.limit == OWN[pair].limit
    assert settings.compute.max_new_tokens == OWN[pair].max_new_tokens


def test_every_comparison_of_signals_and_every_case_of_extrapolation_is_one_that_its_command_makes(made_settings):
    signals, extrapolation = (importlib.import_module(f"experiments.{name}") for name in ("signals", "extrapolation"))
    for name in signals.COMPARISONS:
        assert isinstance(CliRunner().invoke(signals.main, ["--only", name]).exception, Asked)
    cases = extrapolation.cases(extrapolation.BUNDLED)
    for case in cases:
        with pytest.raises(Asked):
            rp.intervene(**extrapolation._options(case, extrapolation.Request(), 2))
    assert len(made_settings) == len(signals.COMPARISONS) + len(cases)
    assert sum(settings.arms.sampling is not None for name, settings in made_settings if name == "intervene") == 3


SCRIPTS = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in sorted((ROOT / "experiments").rglob("*.py"))
    if "\n@script(" in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_tells_an_error_in_one_line_with_its_exit_code(name, monkeypatch):
    main = importlib.import_module(name).main
    for error in (NotAvailable("there is no such thing:\n  do this"), BadInput("do this")):

        def fails(error=error):
            raise error

        monkeypatch.setattr(main, "callback", fails)
        monkeypatch.setattr(main, "params", [])
        ended = CliRunner().invoke(main, [])
        assert (ended.exit_code, ended.output) == (error.exit_code, f"Error: {' '.join(str(error).split())}\n")
