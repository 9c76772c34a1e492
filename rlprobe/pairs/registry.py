"""The pairs that have a name. A new pair is one entry in `PAIRS`, at the foot of this file. Knows no weights.

A pair is in one of three states: verified, where this project has loaded it; seen, where RL's id and the prompt were
read in public files, which the entry names; unverified otherwise: look at the model card before relying on it.
"""

from dataclasses import dataclass
from pathlib import Path

from rlprobe.errors import BadInput
from rlprobe.pairs.fetched import FETCHED

BUNDLED = Path(__file__).parent / "bundled"
DEFAULT_PAIR = "bundled"
DEFAULT_DATASET = "word-problems"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file of a public GitHub repository (owner/name), at one commit (40 hex digits)."""

    repository: str
    file: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repository}/{self.file}@{self.commit[:7]}"


@dataclass(frozen=True, slots=True)
class PairEntry:
    """A base model and the RL model trained from it: Hub ids or folders; a revision of None pins nothing.

    `seen_in`: the files in which RL's id and the prompt's wording were read, in this order; empty unless both were.
    `dataset` is what it is measured on where nothing else is asked for; `fetched` names the base in FETCHED.
    """

    base: str
    rl: str
    algorithm: str
    prompt_style: str
    source: str
    base_revision: str | None = None
    rl_revision: str | None = None
    verified: bool = False
    seen_in: tuple[PublicFile, ...] = ()
    dataset: str = DEFAULT_DATASET
    fetched: str | None = None

    @property
    def published(self) -> bool:
        """Whether others trained it; this project's own pairs have their recipe under experiments/."""
        return not self.source.startswith("experiments/")

    @property
    def checked(self) -> str:
        """How far id and prompt were checked."""
        if self.verified:
            return "verified"
        return f"id and prompt seen in {', '.join(map(str, self.seen_in))}" if self.seen_in else "unverified"

    def shown(self, name: str) -> tuple[str, ...]:
        """A line of `rlprobe pairs`, in the order of PAIR_COLUMNS."""
        base, rl = (f"{m}@{r}" if r else m for m, r in ((self.base, self.base_revision), (self.rl, self.rl_revision)))
        if Path(self.base).is_relative_to(BUNDLED):
            base, rl = "(inside the package)", "(inside the package)"
        if self.fetched:
            base, rl = f"{FETCHED[self.fetched].hub_id} (fetched)", "base+(inside the package)"
        return name, base, rl, self.algorithm, self.prompt_style, self.checked


def registered_pair(name: str) -> PairEntry:
    """The pair of that name; BadInput lists the names there are."""
    if name not in PAIRS:
        raise BadInput(f"no pair is called {name!r}; known: {', '.join(PAIRS)} (or give --base and --rl)")
    return PAIRS[name]


PAIR_COLUMNS = ("pair", "base", "rl", "algorithm", "prompt style", "checked")


_OAT_ID = PublicFile("sail-sg/understand-r1-zero", "README.md", "14046dcaa53d47b3a5e3217c63e649d8862147d9")
_OAT_PROMPT = PublicFile("sail-sg/understand-r1-zero", "train_zero_math.py", "14046dcaa53d47b3a5e3217c63e649d8862147d9")
_SIMPLERL = (  # a later repository of the same group holds the prompts
    PublicFile("hkust-nlp/simpleRL-reason", "README.md", "9b928d49e72da76b0e1e415cd993cbb3d7726e3a"),
    PublicFile(
        "hkust-nlp/RL-Verifier-Pitfalls",
        "examples/simplelr_math_eval/utils.py",
        "8a048a9aca8e63bbb1dd8a12aec11d19d9d0359d",
    ),
)
_ORZ = (  # the prompt in a fork: this file of the authors' own repository could not be read
    PublicFile("Open-Reasoner-Zero/Open-Reasoner-Zero", "README.md", "07ea80edfe737e2250707be947ac6e33e3aab718"),
    PublicFile(
        "Mor-Li/Open-Reasoner-Zero", "playground/zero_setting_base.py", "73be1996c9eea66a2a946b5df03e959bf87d58ad"
    ),
)
_PRIME = (  # the evaluation of Oat-Zero's authors, in a fork; it names the model card as the prompt's source
    _OAT_ID,
    PublicFile("troy12x/understand-r1-zero", "evaluate_model.py", "559bcfd7a50727e7ed97f06a586da2c97236f496"),
)
_DAPO = (PublicFile("BytedTsinghua-SIA/DAPO", "README.md", "2805f4191f6ebae81c5d2266df34ed9ff5a69456"),)
_UNIREASON = tuple(
    PublicFile(
        "ReasoningTransfer/Transferability-of-LLM-Reasoning",
        f"analysis_token_distribution_shift/{file}",
        "be046869e26758eff60373e95116ca02c7814fbd",
    )
    for file in (
        "token_level_logits_and_ranks.sh",
        "finetuned_model_response/UniReason-RL_hendrycks_math_500.jsonl",
    )
)
_GENERAL_REASONER = (  # a copy inside another repository: the authors' own could not be read
    PublicFile("Wyyyb/fim_code_rl", "General-Reasoner/README.md", "2986927329e15253a9247f792596b003a984bbe8"),
    PublicFile("Wyyyb/fim_code_rl", "General-Reasoner/data_preprocess.py", "3d1487392e1be1770cbc8ba8a89e8f822b5dae58"),
)
_TULU = (PublicFile("allenai/open-instruct", "docs/tulu3.md", "0becd2cecc6e730f296b06122b6857183fb35eb6"),)


def _simplerl(base: str, rl: str, prompt_style: str = "qwen_boxed") -> PairEntry:
    rl = f"hkust-nlp/{rl}-SimpleRL-Zoo"
    return PairEntry(base, rl, "GRPO", prompt_style, "arXiv 2503.18892", seen_in=_SIMPLERL)


def _orz(size: str) -> PairEntry:
    rl = f"Open-Reasoner-Zero/Open-Reasoner-Zero-{size}"
    return PairEntry(f"Qwen/Qwen2.5-{size}", rl, "PPO", "orz", "arXiv 2503.24290", seen_in=_ORZ)


PAIRS: dict[str, PairEntry] = {
    "bundled": PairEntry(
        str(BUNDLED / "base"), str(BUNDLED / "rl"), "GRPO", "question_answer", "experiments/organism", verified=True
    ),
    "discovery": PairEntry(
        str(BUNDLED / "discovery" / "base"),
        str(BUNDLED / "discovery" / "rl"),
        "GRPO",
        "question_answer",
        "experiments/discovery",
        verified=True,
        dataset="string-functions",
    ),
    "smollm2": PairEntry(
        str(FETCHED["smollm2"].folder),
        f"base+{BUNDLED / 'smollm2'}",
        "GRPO",
        "short_shots",
        "experiments/smollm2",
        verified=True,
        dataset="short-problems",
        fetched="smollm2",
    ),
    "qwen-coder-0.5b": PairEntry(
        str(FETCHED["qwen-coder-0.5b"].folder),
        f"base+{BUNDLED / 'qwen-coder-0.5b'}",
        "GRPO",
        "qwen_boxed",
        "experiments/qwen_coder",
        verified=True,
        dataset="gsm8k",
        fetched="qwen-coder-0.5b",
    ),
    "simplerl-0.5b": _simplerl("Qwen/Qwen2.5-0.5B", "Qwen-2.5-0.5B", "abel"),
    "simplerl-1.5b": _simplerl("Qwen/Qwen2.5-1.5B", "Qwen-2.5-1.5B", "abel"),
    "simplerl-7b": _simplerl("Qwen/Qwen2.5-7B", "Qwen-2.5-7B"),
    "simplerl-14b": _simplerl("Qwen/Qwen2.5-14B", "Qwen-2.5-14B"),
    "simplerl-32b": _simplerl("Qwen/Qwen2.5-32B", "Qwen-2.5-32B"),
    "simplerl-math-7b": _simplerl("Qwen/Qwen2.5-Math-7B", "Qwen-2.5-Math-7B"),
    "orz-0.5b": _orz("0.5B"),
    "orz-1.5b": _orz("1.5B"),
    "orz-7b": _orz("7B"),
    "orz-32b": _orz("32B"),
    "oat-zero-math-7b": PairEntry(
        "Qwen/Qwen2.5-Math-7B",
        "sail/Qwen2.5-Math-7B-Oat-Zero",
        "Dr. GRPO",
        "qwen_math",
        "arXiv 2503.20783",
        seen_in=(_OAT_ID, _OAT_PROMPT),
    ),
    "eurus-prime-math-7b": PairEntry(
        "Qwen/Qwen2.5-Math-7B",
        "PRIME-RL/Eurus-2-7B-PRIME-Zero",
        "RLOO (PRIME)",
        "prime_zero",
        "arXiv 2502.01456",
        seen_in=_PRIME,
    ),
    "dapo-32b": PairEntry(
        "Qwen/Qwen2.5-32B", "BytedTsinghua-SIA/DAPO-Qwen-32B", "DAPO", "dapo", "arXiv 2503.14476", seen_in=_DAPO
    ),
    "unireason-14b": PairEntry(
        "Qwen/Qwen3-14B-Base",
        "ReasoningTransferability/UniReason-Qwen3-14B-RL",
        "GRPO",
        "unireason",
        "arXiv 2507.00432",
        seen_in=_UNIREASON,
    ),
    "general-reasoner-4b": PairEntry(
        "Qwen/Qwen3-4B-Base",
        "TIGER-Lab/General-Reasoner-Qwen3-4B",
        "GRPO",
        "general_reasoner",
        "arXiv 2505.14652",
        seen_in=_GENERAL_REASONER,
    ),
    "simplerl-mistral-7b": _simplerl("mistralai/Mistral-7B-v0.1", "Mistral-7B-v0.1", "abel"),
    "simplerl-llama-8b": _simplerl("meta-llama/Llama-3.1-8B", "Llama-3.1-8B", "abel"),
    "prorl-1.5b": PairEntry(  # the paper's model is the revision v1; main is trained further. Its prompt was not found
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
        "nvidia/Nemotron-Research-Reasoning-Qwen-1.5B",
        "ProRL",
        "chat",
        "arXiv 2505.24864",
        rl_revision="v1",
    ),
    "tulu-8b": PairEntry(
        "allenai/Llama-3.1-Tulu-3-8B-DPO",
        "allenai/Llama-3.1-Tulu-3.1-8B",
        "GRPO (RLVR)",
        "chat",
        "arXiv 2411.15124",
        seen_in=_TULU,
    ),
}
