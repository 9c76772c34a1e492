"""Common vocabularies, config differences, stop ids and attention kinds by hand."""

import types

import pytest
import torch
from conftest import tiny_config
from transformers import FalconMambaConfig, Qwen3NextConfig

from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.pairs.architecture import attention_kinds, state_kinds
from rlprobe.pairs.compatibility import common_vocabulary, config_differences, stop_ids

LETTERS = {c: i for i, c in enumerate("abcdefgh")}


def test_equal_tokenizers_leave_out_only_the_padded_head_rows():
    vocabulary = common_vocabulary(LETTERS, LETTERS, (10, 12))
    assert vocabulary.ids.tolist() == list(range(8))
    assert vocabulary.prefix
    assert (vocabulary.only_base, vocabulary.only_rl, vocabulary.padded_rows) == (0, 0, (2, 4))
    weight = torch.arange(24.0).view(12, 2)
    assert vocabulary.rows_of(weight).data_ptr() == weight.data_ptr()


def test_ids_of_one_model_alone_are_left_out_of_both_and_counted():
    vocabulary = common_vocabulary(
        {**LETTERS, "<think>": 9}, {k: v for k, v in LETTERS.items() if k != "c"} | {"<end>": 11}, (12, 12)
    )
    assert vocabulary.ids.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert (vocabulary.only_base, vocabulary.only_rl) == (2, 1)
    assert not vocabulary.prefix
    assert vocabulary.columns(torch.tensor([0, 2, 3, 7, 9, 500])).tolist() == [0, -1, 2, 6, -1, -1]
    assert vocabulary.rows_of(torch.arange(24.0).view(12, 2))[:, 0].tolist() == [0, 2, 6, 8, 10, 12, 14]


def test_a_token_without_a_head_row_is_not_common():
    assert common_vocabulary(LETTERS, LETTERS, (6, 8)).ids.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_first_differing_id_is_named():
    with pytest.raises(IncompatiblePair, match=r"disagree at id 1 \('b' / 'c'\); a pair must share one tokenizer"):
        common_vocabulary(LETTERS, {**LETTERS, "b": 2, "c": 1}, (8, 8))


def test_nothing_in_common_is_refused():
    with pytest.raises(IncompatiblePair, match="0 token ids in common"):
        common_vocabulary({"a": 0}, {"b": 1}, (8, 8))


def test_only_settings_that_change_how_a_model_reads_are_compared():
    a, b = tiny_config("qwen2", 300).to_dict(), tiny_config("qwen2", 300, max_position_embeddings=512).to_dict()
    b["torch_dtype"], b["architectures"] = "float16", ["Other"]
    assert config_differences(a, b) == {"max_position_embeddings": (256, 512)}
    assert config_differences(a, a) == {}


def test_stop_ids_are_the_union_of_all_that_name_one():
    sources = [types.SimpleNamespace(eos_token_id=x) for x in (7, [3, 9], None, 3)]
    assert stop_ids([*sources, None], {}) == [3, 7, 9]


def test_a_stop_id_may_be_a_tokens_name_or_stand_in_a_list_of_lists():
    sources = [types.SimpleNamespace(eos_token_id=x) for x in ("c", [[4], "h"])]
    assert stop_ids(sources, LETTERS) == [2, 4, 7]


@pytest.mark.parametrize("eos", ["<end>", 2.5, {"id": 2}, [True]])
def test_a_stop_id_that_names_no_token_is_refused(eos):
    with pytest.raises(NotAvailable, match=r"eos_token_id is .* is no token id; write the id"):
        stop_ids([types.SimpleNamespace(eos_token_id=eos)], LETTERS)


def test_the_rows_outside_are_those_that_are_not_common():
    vocabulary = common_vocabulary({**LETTERS, "<think>": 9}, {k: v for k, v in LETTERS.items() if k != "c"}, (12, 8))
    assert vocabulary.outside(12).tolist() == [2, 8, 9, 10, 11]
    assert not vocabulary.is_whole
    assert common_vocabulary(LETTERS, LETTERS, (8, 8)).is_whole


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("llama", {"full_attention"}),
        ("qwen2", {"full_attention"}),
        ("mistral", {"sliding_attention"}),
        ("mixed", {"full_attention", "sliding_attention"}),
    ],
)
def test_attention_kinds_of_models_that_can_be_rewound(kind, kinds):
    assert attention_kinds(tiny_config(kind, 300)) == kinds


@pytest.mark.parametrize(
    ("config", "kind"), [(Qwen3NextConfig, "linear_attention"), (FalconMambaConfig, "linear_attention")]
)
def test_a_state_that_cannot_be_rewound_has_its_kind(config, kind):
    assert any(kind in each for each in state_kinds(config()))
    assert attention_kinds(config()) == set()
