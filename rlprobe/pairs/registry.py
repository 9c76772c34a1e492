"""The pairs that have a name. A new pair is one entry in `PAIRS`, at the foot of this file. Knows no weights.

Hub ids follow the model cards of the publications named in `source`; `verified` is True only where this project has
loaded the pair itself. Everything else is listed as unverified: look at the model card before relying on it.
"""

from dataclasses import dataclass
from pathlib import Path

BUNDLED = Path(__file__).parent / "bundled"
DEFAULT_PAIR = "bundled"


@dataclass(frozen=True, slots=True)
class PairEntry:
    """A base model and the RL model trained from it: Hub ids or folders; a revision of None pins nothing."""

    base: str
    rl: str
    algorithm: str
    prompt_style: str
    source: str
    base_revision: str | None = None
    rl_revision: str | None = None
    verified: bool = False

    def shown(self, name: str) -> tuple[str, ...]:
        """A line of `rlprobe pairs`, in the order of PAIR_COLUMNS."""
        base, rl = (f"{m}@{r}" if r else m for m, r in ((self.base, self.base_revision), (self.rl, self.rl_revision)))
        if name == DEFAULT_PAIR:
            base, rl = "(inside the package)", "(inside the package)"
        return name, base, rl, self.algorithm, self.prompt_style, "verified" if self.verified else "unverified"


PAIR_COLUMNS = ("pair", "base", "rl", "algorithm", "prompt style", "checked")


def _simplerl(size: str, prompt_style: str = "qwen_boxed") -> PairEntry:
    return PairEntry(
        f"Qwen/Qwen2.5-{size}", f"hkust-nlp/Qwen-2.5-{size}-SimpleRL-Zoo", "GRPO", prompt_style, "arXiv 2503.18892"
    )


def _orz(size: str) -> PairEntry:
    rl = f"Open-Reasoner-Zero/Open-Reasoner-Zero-{size}"
    return PairEntry(f"Qwen/Qwen2.5-{size}", rl, "PPO", "orz", "arXiv 2503.24290")


PAIRS: dict[str, PairEntry] = {
    "bundled": PairEntry(
        str(BUNDLED / "base"), str(BUNDLED / "rl"), "GRPO", "question_answer", "experiments/organism", verified=True
    ),
    "simplerl-0.5b": _simplerl("0.5B", "simplerl_small"),
    "simplerl-1.5b": _simplerl("1.5B", "simplerl_small"),
    "simplerl-7b": _simplerl("7B"),
    "simplerl-14b": _simplerl("14B"),
    "simplerl-32b": _simplerl("32B"),
    "simplerl-math-7b": _simplerl("Math-7B"),
    "orz-1.5b": _orz("1.5B"),
    "orz-7b": _orz("7B"),
    "orz-32b": _orz("32B"),
    "oat-zero-math-7b": PairEntry(
        "Qwen/Qwen2.5-Math-7B", "sail/Qwen2.5-Math-7B-Oat-Zero", "Dr. GRPO", "qwen_math", "arXiv 2503.20783"
    ),
    "eurus-prime-math-7b": PairEntry(
        "Qwen/Qwen2.5-Math-7B", "PRIME-RL/Eurus-2-7B-PRIME-Zero", "RLOO (PRIME)", "prime_zero", "arXiv 2502.01456"
    ),
    "dapo-32b": PairEntry("Qwen/Qwen2.5-32B", "BytedTsinghua-SIA/DAPO-Qwen-32B", "DAPO", "dapo", "arXiv 2503.14476"),
    "unireason-14b": PairEntry(
        "Qwen/Qwen3-14B-Base", "ReasoningTransferability/UniReason-Qwen3-14B-RL", "GRPO", "chat", "arXiv 2507.00432"
    ),
    "general-reasoner-4b": PairEntry(
        "Qwen/Qwen3-4B-Base", "TIGER-Lab/General-Reasoner-Qwen3-4B", "GRPO", "chat", "arXiv 2505.14652"
    ),
    "simplerl-mistral-7b": PairEntry(
        "mistralai/Mistral-7B-v0.1",
        "hkust-nlp/Mistral-7B-v0.1-SimpleRL-Zoo",
        "GRPO",
        "simplerl_plain",
        "arXiv 2503.18892",
    ),
    "simplerl-llama-8b": PairEntry(
        "meta-llama/Llama-3.1-8B",
        "hkust-nlp/Llama-3.1-8B-SimpleRL-Zoo",
        "GRPO",
        "simplerl_plain",
        "arXiv 2503.18892",
    ),
    "prorl-1.5b": PairEntry(
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
        "nvidia/Nemotron-Research-Reasoning-Qwen-1.5B",
        "ProRL",
        "chat",
        "arXiv 2505.24864",
    ),
    "tulu-8b": PairEntry(
        "allenai/Llama-3.1-Tulu-3-8B-DPO", "allenai/Llama-3.1-Tulu-3.1-8B", "GRPO (RLVR)", "chat", "arXiv 2411.15124"
    ),
}
