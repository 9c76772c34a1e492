"""Every registered signal has a gate on its side, columns that token tables have, and a look of its own."""

import pytest

from rlprobe.decoding import arms
from rlprobe.records import MEMBERS, TOKEN_SCHEMA
from rlprobe.signal import SIGNALS


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_has_a_gate_on_its_side_and_columns_of_a_token_table(name):
    signal = SIGNALS[name]
    assert callable(getattr(arms, signal.gate))
    assert signal.side is None or signal.gate.endswith(signal.side)
    for host, donor in zip(MEMBERS, reversed(MEMBERS), strict=True):
        columns = signal.columns(host)
        assert set(columns) <= set(TOKEN_SCHEMA.names)
        assert not signal.of_host or not any(donor in column for column in columns)
        assert "{" not in signal.called(host)


def test_no_two_signals_look_alike_or_are_called_alike():
    for host in MEMBERS:
        assert len({signal.called(host) for signal in SIGNALS.values()}) == len(SIGNALS)
    assert len({signal.colour for signal in SIGNALS.values()}) == len(SIGNALS)
    assert len({signal.marker for signal in SIGNALS.values()}) == len(SIGNALS)


def test_kl_is_of_the_donor_against_the_host_and_delta_of_the_hosts_own_token():
    assert SIGNALS["kl"].columns("base") == ("kl_rl_base",)
    assert SIGNALS["kl"].columns("rl") == ("kl_base_rl",)
    assert SIGNALS["delta"].columns("base") == ("logprob_rl_of_base", "logprob_argmax_base")
    assert SIGNALS["random"].called("rl") == "the base's edits, thinned"
