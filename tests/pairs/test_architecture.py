"""What configs say of logits, of how far a model reads and of attention; and the formulas against transformers' own."""

import pytest
import torch
from checkpoints import located
from conftest import save_tokenizer, tiny_config
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CohereConfig,
    FalconH1Config,
    Gemma2Config,
    GraniteConfig,
    MptConfig,
    NanoChatConfig,
    Phi3Config,
    Qwen2Config,
)

from rlprobe.decoding.check import load_checked
from rlprobe.decoding.lanes import Lanes
from rlprobe.pairs.architecture import UNBOUNDED, LogitFormula, context_length, logit_formula, rope_border

ROPE = {"rope_theta": 10000.0}
LONGROPE = ROPE | {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [8.0] * 4}


@pytest.mark.parametrize(
    ("config", "formula"),
    [
        (Qwen2Config(), LogitFormula()),
        (CohereConfig(logit_scale=0.25), LogitFormula(0.25)),
        (GraniteConfig(logits_scaling=8.0), LogitFormula(1 / 8)),
        (FalconH1Config(lm_head_multiplier=0.5), LogitFormula(0.5)),
        (Gemma2Config(final_logit_softcapping=30.0), LogitFormula(1.0, 30.0)),
        (Gemma2Config(final_logit_softcapping=None), LogitFormula()),
        (NanoChatConfig(), LogitFormula(1.0, 15.0)),
        (MptConfig(logit_scale=0.5), LogitFormula()),  # named in its config, used nowhere
    ],
)
def test_what_follows_the_head_is_in_the_config(config, formula):
    assert logit_formula(config) == formula
    assert formula.is_plain == (formula == LogitFormula())


@pytest.mark.parametrize(
    ("settings", "context"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"max_position_embeddings": 512, "rope_parameters": ROPE | {"rope_type": "dynamic", "factor": 4.0}}, 512),
        (
            {
                "max_position_embeddings": 512,
                "rope_parameters": ROPE | {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
            },
            512,
        ),
    ],
)
def test_a_model_reads_as_far_as_its_factors_stay_the_same(settings, context):
    assert context_length(Qwen2Config(**settings)) == context


def test_longrope_ends_where_its_factors_change():
    config = Phi3Config(
        hidden_size=32,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        original_max_position_embeddings=64,
        rope_parameters=LONGROPE,
    )
    assert rope_border(config) == 64
    assert context_length(config) == 64


def test_a_config_without_a_limit_has_none():
    assert context_length(BloomConfig()) == UNBOUNDED


@pytest.fixture(scope="module")
def long_pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("longrope")
    tokens = save_tokenizer(folder)
    settings = tiny_config("llama", tokens, max_position_embeddings=512).to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    config = Phi3Config(
        **{name: settings[name] for name in names},
        num_key_value_heads=2,
        initializer_range=0.3,
        max_position_embeddings=512,
        original_max_position_embeddings=40,
        rope_parameters=LONGROPE | {"original_max_position_embeddings": 40},
        eos_token_id=0,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return located(folder, folder)


@torch.no_grad()
def test_a_rows_numbers_do_not_depend_on_its_company_where_factors_depend_on_length(long_pair):
    pair = load_checked(long_pair)
    assert pair.context == 40
    ids = torch.arange(3, 43) % 290
    alone = pair.base.trunk(ids[None, :12])[0]
    lanes = Lanes(pair.base, 2)
    # the short row is padded up to the end of the long one's context, and beyond it in the second pass
    together = lanes.read(torch.stack([ids[:12].repeat(3)[:36], ids[:36]]), torch.tensor([12, 36]))
    torch.testing.assert_close(together[0, :12], alone, atol=1e-5, rtol=0)
    lanes.lengths[0] = 36  # a row that ends four positions before the border, padded by six
    lanes.read(torch.stack([ids[:10], ids[:10]]), torch.tensor([4, 1]))
    again = Lanes(pair.base, 1).read(ids[None, :12], torch.tensor([12]))
    torch.testing.assert_close(again[0], alone, atol=1e-5, rtol=0)


def test_the_output_says_where_texts_end(long_pair):
    assert any("rotary factors of base change at 40 positions" in line for line in long_pair.notices)
