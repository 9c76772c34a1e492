"""One tiny random pair of each architecture: what rlprobe reads of it is what transformers says of it."""

import re

import pytest
import transformers

from experiments.families import FAMILIES, PAGE, verdict

QUICK = ("Qwen2", "Gemma 2", "gpt-oss")
SLOW_QUICK = ("LFM2", "Qwen3.5")
NAMED = (
    *("Qwen2, sliding window", "Qwen2-MoE", "Qwen3", "Qwen3-MoE", "Llama", "Mistral, sliding window", "Gemma 3"),
    *("Gemma 3, capped logits", "Gemma 3n", "Phi-3, longrope", "OLMo 2", "OLMo 3", "GLM-4", "Granite"),
    *(
        "Granite 4, attention alone",
        "Cohere",
        "DeepSeek-V3",
        "SmolLM3",
        "StableLM",
        "GPT-2",
        "GPT-NeoX",
        "GPT-J",
        "MPT",
        "Llama 4",
    ),
)
SLOW = (
    *("GPT-Neo", "Bloom", "Falcon, alibi", "Qwen3-Next", "Kimi-Linear", "MiniMax", "Falcon-H1", "Jamba", "Bamba"),
    *("Granite 4, hybrid", "Nemotron-H", "Zamba 2", "Mamba", "Mamba 2", "RWKV", "xLSTM", "RecurrentGemma"),
    *("DeepSeek-V3.2", "DeepSeek-V4"),
)


@pytest.fixture(autouse=True)
def quiet():
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(before)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # transformers' own, of its own models
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in NAMED)])
def test_token_table_greedy_ids_and_oracle_are_those_of_plain_passes_and_generate(name, tmp_path):
    found = verdict(FAMILIES[name], tmp_path)
    assert found.word == "exact", found


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", [*SLOW_QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_the_same_holds_of_those_that_cannot_be_rewound(name, tmp_path):
    found = verdict(FAMILIES[name], tmp_path)
    assert found.word == "slow", found


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| (.+?) \| (exact|slow|refused)", PAGE.read_text(), re.MULTILINE))


def test_the_page_has_every_family_and_says_what_is_tested_here():
    assert list(rows()) == list(FAMILIES)
    assert {name: word for name, word in rows().items() if name in {*QUICK, *NAMED}} == dict.fromkeys(
        sorted({*QUICK, *NAMED}, key=list(FAMILIES).index), "exact"
    )
    assert {rows()[name] for name in (*SLOW_QUICK, *SLOW)} == {"slow"}


def test_the_docs_count_them_as_the_page_does():
    words = list(rows().values())
    models = (PAGE.parent / "models.md").read_text()
    exact, slow = words.count("exact"), words.count("slow")
    assert exact + slow == len(FAMILIES)
    said = f"(families.md): {exact} at full speed, {slow} as exactly but slower; what no way reads exactly is refused"
    assert said in " ".join(models.split())
