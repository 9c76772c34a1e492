"""Arms by name and arms put together from words."""

from dataclasses import replace

import pytest

from rlprobe.arm_labels import ArmKey
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import CONTROLS, MODES, Options, composed_arm, named_arms
from rlprobe.errors import BadInput
from rlprobe.pairs.kinds import KINDS, VERSION

RANKS = Options(rank_counts=(3, 2, 1))


def composed(*gates, writer="donor_argmax"):
    return composed_arm(gates, writer, Options(), "base", 2, None)


def test_a_specification_says_what_its_arm_is_made_of():
    sampled = Sampling(0.7, 0.9)
    ways = [(mode, host, how) for mode in MODES for host in ("base", "rl") for how in (None, sampled)]
    made = [arm for mode, host, how in ways for arm, _ in named_arms(mode, RANKS, host, 3, how)]
    assert len({arm.spec for arm in made}) > 300
    for arm in made:
        said, how = ArmKey.read(arm.spec), "T=0.7,top_p=0.9" if arm.sampling else ""
        assert said == ArmKey(arm.gate.spec, arm.writer.spec, arm.host, how, arm.seed if arm.random else None)
    for other in ("base", "power(4, 192, 10) x base x seed=0", "low_rank(4)"):
        assert ArmKey.read(other) == ArmKey()


def test_published_modes_mean_what_the_papers_say():
    specs = {mode: [arm.spec for arm, _ in named_arms(mode, RANKS, "base", 1, None)] for mode in MODES}
    assert specs["oracle"] == ["disagree x donor_argmax x base"]
    assert specs["random-published"] == ["disagree x host_random(20) x base x seed=0"]
    assert specs["random"] == ["disagree x host_random(20, without_donor) x base x seed=0"]
    assert specs["resample"] == ["disagree x host_sample(without_donor) x base x seed=0"]
    assert specs["entropy"] == ["entropy_above(1.2) x donor_argmax x base"]
    assert specs["inverse"] == ["entropy_below(1.2) x donor_argmax x base"]
    assert specs["matched"] == ["disagree x rank_matched(3, 2, 1, without_donor) x base x seed=0"]
    assert specs["dose"][0] == "(disagree & bernoulli(0.1)) x donor_argmax x base x seed=0"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_a_meaning_and_arms_of_its_own(mode):
    assert MODES[mode].__doc__
    for host in ("base", "rl"):
        arms = [arm for arm, _ in named_arms(mode, RANKS, host, 2, None)]
        assert len({arm.spec for arm in arms}) == len(arms) > 0
        assert {arm.host for arm in arms} == {host}


def test_only_randomness_of_greedy_arms_makes_an_arm_for_each_seed():
    assert len(named_arms("random", Options(), "base", 4, None)) == 4
    assert len(named_arms("entropy", Options(), "base", 4, None)) == 1
    assert len(named_arms("entropy", Options(), "base", 4, Sampling())) == 1  # sampled arms have draws
    assert len(named_arms("random", Options(), "base", 4, Sampling())) == 1


def test_extrapolating_goes_away_from_the_base_whichever_model_decodes():
    options = Options(values=(0.0, 0.25))
    specs = {
        host: [arm.spec for arm, _ in named_arms("extrapolate", options, host, 1, None)] for host in ("base", "rl")
    }
    assert specs["base"] == ["always x mix(1) x base", "always x mix(1.25) x base"]
    assert specs["rl"] == ["always x mix(0) x rl", "always x mix(-0.25) x rl"]
    ((gated, _),) = named_arms("extrapolate-delta", Options(values=(1,)), "base", 1, Sampling())
    assert gated.spec == "delta_below(-0.3) x mix(2) x base x T=1,top_p=1 x seed=0"
    assert gated.donor_stream == "redraw"


def test_sampled_the_donor_speaks_as_it_is_sampled():
    ((arm, _),) = named_arms("entropy", Options(), "base", 1, Sampling(0.6, 0.95))
    assert arm.spec == "entropy_above(1.2) x donor_draw x base x T=0.6,top_p=0.95 x seed=0"


def test_a_gate_that_has_seen_the_draw_redraws_with_fresh_noise():
    modes = ("delta-published", "delta", "kl", "entropy")
    streams = {m: named_arms(m, Options(), "base", 1, Sampling())[0][0].donor_stream for m in modes}
    assert streams == {"delta-published": "redraw", "delta": "residual", "kl": "draw", "entropy": "draw"}


def test_sampled_delta_stays_within_rl_and_the_published_one_keeps_its_key():
    specs = {
        (mode, sampling is not None): named_arms(mode, Options(values=(-0.3,)), "base", 1, sampling)[0][0].spec
        for mode in ("delta", "delta-published")
        for sampling in (None, Sampling(1.0, 0.7))
    }
    greedy = "delta_below(-0.3) x donor_argmax x base"
    assert specs["delta", False] == specs["delta-published", False] == greedy
    end = "x base x T=1,top_p=0.7 x seed=0"
    assert specs["delta-published", True] == f"delta_below(-0.3) x donor_draw {end}"
    assert specs["delta", True] == f"sampled_delta_below(-0.3) x donor_residual {end}"


def test_options_reach_the_arms():
    taus = [arm.gate.spec for arm, _ in named_arms("kl", Options(values=(0.5, 2)), "rl", 1, None)]
    assert taus == ["kl_above(0.5)", "kl_above(2)"]
    budget = named_arms("entropy", Options(budget=3), "base", 1, None)[0][0].gate.spec
    assert budget == "(entropy_above(1.2) & budget(3))"
    options = replace(RANKS, allow_donor=True)
    allowed = [named_arms(mode, options, "base", 1, None)[0][0].writer.spec for mode in CONTROLS]
    assert allowed == [
        *("host_random(20)", "host_random(5)", "host_random(20)", "host_random(20)"),
        *("host_sample", "rank_matched(3, 2, 1)"),
    ]


def test_a_hand_off_and_an_edit_by_kind_say_what_they_are():
    named = {
        n.label: n.spec for mode in ("handoff", "handoff-first") for _, n in named_arms(mode, RANKS, "rl", 1, None)
    }
    assert list(named) == ["handoff 1", "handoff 2", "handoff 4", "handoff 8", "handoff 16", "handoff-first"]
    assert named["handoff 4"] == "before(4) x donor_argmax x rl"
    assert named["handoff-first"] == "(always & first(1)) x donor_argmax x rl"
    kinds = {n.label: n.spec for mode in ("only", "without") for _, n in named_arms(mode, RANKS, "base", 1, None)}
    assert list(kinds) == [f"{mode} {kind}" for mode in ("only", "without") for kind in KINDS]
    assert kinds["only digits"] == f"(disagree & of_kind(digits, v{VERSION})) x donor_argmax x base"
    assert kinds["without digits"] == f"(disagree & not-of_kind(digits, v{VERSION})) x donor_argmax x base"
    chosen = named_arms("only", Options(kinds=("stop", "format")), "base", 1, None)
    assert [n.label for _, n in chosen] == ["only stop", "only format"]


def test_arms_are_composed_from_words():
    assert composed("disagree", "not-of_kind:digits")[0][0].gate.spec == f"(disagree & not-of_kind(digits, v{VERSION}))"
    assert composed("before:7")[0][0].gate.spec == "before(7)"
    ((arm, _),) = composed("disagree", "not-entropy_above:1.5", "first:2", writer="mix:0.5")
    assert arm.spec == "((disagree & not-entropy_above(1.5)) & first(2)) x mix(0.5) x base"
    written = {
        "host_random:7": "host_random(7, without_donor)",
        "host_random:7,allow_donor": "host_random(7)",
        "host_second": "host_second(without_donor)",
        "host_second:allow_donor": "host_second",
        "host_sample:allow_donor": "host_sample",
        "rank_matched:3,1": "rank_matched(3, 1, without_donor)",
        "rank_matched:3,1,allow_donor": "rank_matched(3, 1)",
    }
    assert {words: composed("shifted", writer=words)[0][0].writer.spec for words in written} == written
    assert len(composed("bernoulli:0.2")) == 2


@pytest.mark.parametrize(
    ("gate", "writer", "says"),
    [
        ("no-such", "donor_argmax", "no gate is called 'no-such'; known: never"),
        ("disagree", "no-such", "no writer is called 'no-such'; known: donor_argmax"),
        ("entropy_above:-1", "donor_argmax", "must be at least 0"),
        ("reranked:0", "donor_argmax", "must be at least 1"),
        ("bernoulli:1.5", "donor_argmax", "probability"),
        ("bernoulli", "donor_argmax", "takes p"),
        ("disagree:3", "donor_argmax", "takes nothing"),
        ("of_kind:words", "donor_argmax", "no kind of token is called 'words'; known: stop, format, digits"),
        ("before:-1", "donor_argmax", "must be at least 0"),
        ("before:1.5", "donor_argmax", "no number"),
        ("entropy_above:__import__('os')", "donor_argmax", "is no gate: put gates together as in"),
        ("disagree", "donor_in_host_top:0", "at least 1"),
        ("disagree", "mix:nan", "no finite number"),
        ("disagree", "rank_matched", "counts"),
        ("disagree", "host_random:20,true", "takes k: int = 20, allow_donor"),
        ("disagree:allow_donor", "donor_argmax", "takes nothing"),
    ],
)
def test_words_that_make_no_arm_are_refused(gate, writer, says):
    with pytest.raises(BadInput, match=says.replace("(", r"\(")):
        composed(gate, writer=writer)


def test_a_k_above_the_vocabulary_is_refused():
    ((arm, _),) = composed("disagree", writer="donor_in_host_top:301")
    arm.check(301)
    with pytest.raises(BadInput, match="k is 301, but the common vocabulary has 300"):
        arm.check(300)


def test_impossible_sampling_is_refused():
    for temperature, top_p in ((0, 1), (-1, 1), (1, 0), (1, 1.5)):
        with pytest.raises(BadInput):
            Sampling(temperature, top_p)


def test_a_count_is_a_whole_number():
    assert [arm.writer.spec for arm, _ in named_arms("support", Options(values=(2.0,)), "base", 1, None)] == [
        "donor_in_host_top(2)"
    ]
    with pytest.raises(BadInput, match=r"2\.5: this mode takes whole numbers"):
        named_arms("support", Options(values=(2.5,)), "base", 1, None)
