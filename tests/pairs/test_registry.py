"""What the registry says of each pair, and how it is shown."""

import re

import pytest
from click.testing import CliRunner

from rlprobe.cli import pairs
from rlprobe.pairs.registry import DEFAULT_PAIR, PAIR_COLUMNS, PAIRS, PairEntry, PublicFile

OURS = (DEFAULT_PAIR, "discovery", "smollm2", "qwen-coder-0.5b")  # trained here

SEEN = PublicFile("owner/name", "folder/file.py", "0123456789abcdef0123456789abcdef01234567")


def entry(**how):
    return PairEntry("owner/base", "owner/rl", "GRPO", "chat", "arXiv 0", **how)


def test_the_three_states_of_a_pair_each_have_their_words():
    assert entry().checked == "unverified"
    assert entry(seen_in=(SEEN,)).checked == "id and prompt seen in owner/name/folder/file.py@0123456"
    assert entry(seen_in=(SEEN, SEEN)).checked.count("owner/name/folder/file.py@0123456") == 2
    assert entry(verified=True).checked == "verified"


def test_what_was_loaded_here_is_verified_wherever_else_it_was_seen():
    assert entry(verified=True, seen_in=(SEEN,)).checked == "verified"


@pytest.mark.parametrize("name", PAIRS)
def test_every_pair_is_in_one_of_the_three_states(name):
    pair = PAIRS[name]
    assert pair.verified == (name in OURS)
    states = [
        pair.checked == "verified",
        pair.checked == "unverified",
        pair.checked.startswith("id and prompt seen in "),
    ]
    assert sum(states) == 1
    assert states[2] == bool(pair.seen_in)


@pytest.mark.parametrize("seen", sorted({seen for pair in PAIRS.values() for seen in pair.seen_in}, key=str), ids=str)
def test_every_public_file_is_named_so_that_it_can_be_opened(seen):
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", seen.repository)
    assert re.fullmatch(r"[0-9a-f]{40}", seen.commit)
    assert seen.file
    assert not seen.file.startswith("/")


def test_no_two_pairs_have_the_same_rl_model():
    assert len({(pair.rl, pair.rl_revision) for pair in PAIRS.values()}) == len(PAIRS)


def test_the_ids_of_the_published_pairs_are_those_that_were_read():
    """Copied by hand from the files that the entries name."""
    rl = {name: pair.rl for name, pair in PAIRS.items() if name not in OURS}
    assert rl == {
        "simplerl-0.5b": "hkust-nlp/Qwen-2.5-0.5B-SimpleRL-Zoo",
        "simplerl-1.5b": "hkust-nlp/Qwen-2.5-1.5B-SimpleRL-Zoo",
        "simplerl-7b": "hkust-nlp/Qwen-2.5-7B-SimpleRL-Zoo",
        "simplerl-14b": "hkust-nlp/Qwen-2.5-14B-SimpleRL-Zoo",
        "simplerl-32b": "hkust-nlp/Qwen-2.5-32B-SimpleRL-Zoo",
        "simplerl-math-7b": "hkust-nlp/Qwen-2.5-Math-7B-SimpleRL-Zoo",
        "simplerl-mistral-7b": "hkust-nlp/Mistral-7B-v0.1-SimpleRL-Zoo",
        "simplerl-llama-8b": "hkust-nlp/Llama-3.1-8B-SimpleRL-Zoo",
        "orz-0.5b": "Open-Reasoner-Zero/Open-Reasoner-Zero-0.5B",
        "orz-1.5b": "Open-Reasoner-Zero/Open-Reasoner-Zero-1.5B",
        "orz-7b": "Open-Reasoner-Zero/Open-Reasoner-Zero-7B",
        "orz-32b": "Open-Reasoner-Zero/Open-Reasoner-Zero-32B",
        "oat-zero-math-7b": "sail/Qwen2.5-Math-7B-Oat-Zero",
        "eurus-prime-math-7b": "PRIME-RL/Eurus-2-7B-PRIME-Zero",
        "dapo-32b": "BytedTsinghua-SIA/DAPO-Qwen-32B",
        "unireason-14b": "ReasoningTransferability/UniReason-Qwen3-14B-RL",
        "general-reasoner-4b": "TIGER-Lab/General-Reasoner-Qwen3-4B",
        "prorl-1.5b": "nvidia/Nemotron-Research-Reasoning-Qwen-1.5B",
        "tulu-8b": "allenai/Llama-3.1-Tulu-3.1-8B",
    }


def test_the_weak_base_models_of_simplerl_are_asked_in_the_simple_form():
    """arXiv 2503.18892, section 2: Llama-3.1-8B, Mistral-v0.1-7B, and Qwen-2.5-0.5B/1.5B."""
    simple = {name for name, pair in PAIRS.items() if name.startswith("simplerl") and pair.prompt_style == "abel"}
    assert simple == {"simplerl-0.5b", "simplerl-1.5b", "simplerl-mistral-7b", "simplerl-llama-8b"}


def test_a_pinned_revision_stands_behind_the_id():
    assert PAIRS["prorl-1.5b"].shown("prorl-1.5b")[2] == "nvidia/Nemotron-Research-Reasoning-Qwen-1.5B@v1"


def test_the_list_shows_every_pair_with_how_far_it_was_checked():
    lines = CliRunner().invoke(pairs).output.splitlines()
    assert lines[0].split()[0] == PAIR_COLUMNS[0]
    assert lines[0].endswith("checked")
    at = lines[0].index("checked")
    assert {line.split()[0]: line[at:] for line in lines[1:]} == {name: pair.checked for name, pair in PAIRS.items()}
