"""One tiny random pair of each architecture: what rlprobe reads of it is what transformers says of it."""

import re

import pytest
import transformers

from experiments.families import FAMILIES, PAGE, verdict

QUICK = ("Qwen2", "Gemma 2", "gpt-oss")
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
    ),
)
REFUSED = {
    "GPT-Neo": "is not read exactly",
    "Bloom": "cannot be read in rows of unequal length",
    "Falcon, alibi": "cannot be read in rows of unequal length",
    "Qwen3-Next": "whose state cannot be rewound",
    "Mamba": "whose state cannot be rewound",
}


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
    assert found.is_exact, found


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in REFUSED])
def test_what_cannot_be_read_is_refused_by_name(name, tmp_path):
    found = verdict(FAMILIES[name], tmp_path)
    assert REFUSED[name] in found.refusal
    assert "\n" not in found.refusal


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| (.+?) \| (exact|refused)", PAGE.read_text(), re.MULTILINE))


def test_the_page_has_every_family_and_says_what_is_tested_here():
    assert list(rows()) == list(FAMILIES)
    assert {name: word for name, word in rows().items() if name in {*QUICK, *NAMED}} == dict.fromkeys(
        sorted({*QUICK, *NAMED}, key=list(FAMILIES).index), "exact"
    )
    assert {rows()[name] for name in REFUSED} == {"refused"}


def test_the_docs_count_them_as_the_page_does():
    exact = list(rows().values()).count("exact")
    models = (PAGE.parent / "models.md").read_text()
    assert f"(families.md): {exact} exactly, the others are refused in one line" in models
