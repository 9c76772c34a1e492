"""The methods that `rlprobe train` knows: what each is in TRL's words, and which options of ours it has. No torch.

A method is one entry of `METHODS`. Most are options of TRL's GRPOConfig; some are a class of trainers.py that adds a
term or weighs advantages; two have loops of their own (loops.py). All that add to GRPO add to the same GRPO, so that
what differs in a table is what was added.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlprobe.errors import BadInput
from rlprobe.settings import MethodChoice

OWN_LOOPS = ("reasonmaxxer", "kl-lora")


@dataclass(frozen=True)
class Method:
    """A way to train.

    `options` are GRPOConfig's; `own` are those options of MethodChoice that it has, with its own values; `becomes` says
    which of GRPOConfig's one of them is. `needs_teacher`: an RL model is learned from. `off_policy`: it does nothing on
    the first update of a round, so that a round has several.
    """

    words: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    becomes: Mapping[str, str] = field(default_factory=dict)
    needs_teacher: bool = False
    off_policy: bool = False

    def settled(self, name: str, asked: MethodChoice) -> dict[str, Any]:
        """The options that the method has, as asked or else its own. Raises BadInput for one that it has not."""
        given = {option: value for option, value in vars(asked).items() if value is not None}
        for option in given.keys() - self.own.keys():
            has = ", ".join(f"--{each.replace('_', '-')}" for each in self.own) or "none of that kind"
            raise BadInput(f"--{option.replace('_', '-')} has no use with {name}; it has {has}")
        return {**self.own, **given}

    def config(self, settled: Mapping[str, Any]) -> dict[str, Any]:
        """What of it GRPOConfig is told."""
        return {**self.options, **{self.becomes[option]: settled[option] for option in self.becomes}}


_CLIP = {"clip_low": "epsilon", "clip_high": "epsilon_high"}
_NARROW = {"clip_low": 0.2, "clip_high": 0.2}
_GRPO: dict[str, Any] = {"loss_type": "grpo"}

METHODS: dict[str, Method] = {
    "grpo": Method("the group's mean as baseline, its deviation as scale", "2402.03300", _GRPO, _NARROW, _CLIP),
    "dr-grpo": Method(
        "GRPO without the two normalisations that favour length and extremes",
        "2503.20783",
        {"loss_type": "dr_grpo", "scale_rewards": "none"},
        _NARROW,
        _CLIP,
    ),
    "dapo": Method(
        "the mean over all tokens of a round, and Clip-Higher",
        "2503.14476",
        {"loss_type": "dapo"},
        {"clip_low": 0.2, "clip_high": 0.28},
        _CLIP,
    ),
    "gspo": Method(
        "one importance ratio a response",
        "2507.18071",
        {**_GRPO, "importance_sampling_level": "sequence"},
        {"clip_low": 3e-4, "clip_high": 4e-4},
        _CLIP,
    ),
    "cispo": Method(
        "REINFORCE with weights cut at --clip-high, so that no token is left out",
        "2506.13585",
        {"loss_type": "cispo"},
        {"clip_high": 5.0},
        {"clip_high": "epsilon_high"},
    ),
    "entropy-bonus": Method(
        "GRPO, and a reward for entropy",
        "2402.03300",
        _GRPO,
        {**_NARROW, "strength": 1e-3},
        {**_CLIP, "strength": "entropy_coef"},
    ),
    "80-20": Method(
        "GRPO on the --share of tokens with the highest entropy",
        "2506.01939",
        _GRPO,
        {**_NARROW, "share": 0.2},
        {**_CLIP, "share": "top_entropy_quantile"},
    ),
    "prorl": Method(
        "GRPO with a KL term whose reference is set to the policy, and the optimizer emptied, --every so many updates",
        "2505.24864",
        _GRPO,
        {"clip_low": 0.2, "clip_high": 0.27, "strength": 1e-4, "every": 20},
        {**_CLIP, "strength": "beta"},
    ),
    "dir": Method(
        "GRPO, advantages times 1 + strength (1 - π_old)", "2603.22117", _GRPO, {**_NARROW, "strength": 0.1}, _CLIP
    ),
    "lp-reg": Method(
        "GRPO, and a pull of the least likely tokens of bad responses towards what the old policy makes of them",
        "2510.03222",
        _GRPO,
        {"clip_low": 1.0, "clip_high": 9.0, "strength": 1.0, "share": 0.01, "floor": 0.02},
        _CLIP,
    ),
    "kl-cov": Method(
        "GRPO, and a KL penalty on the --share of tokens whose likelihood goes most with their advantage",
        "2505.22617",
        _GRPO,
        {**_NARROW, "strength": 1.0, "share": 2e-3},
        _CLIP,
        off_policy=True,
    ),
    "pass-at-k": Method(
        "GRPO, advantages of pass@k in the place of pass@1's", "2508.10751", _GRPO, {**_NARROW, "k": 4}, _CLIP
    ),
    "reasonmaxxer": Method(
        "responses of the base alone: a contrast of good and bad ones where it is uncertain, KL to it elsewhere",
        "2605.06241",
        own={"tau": 1.2, "strength": 0.2, "floor": 1e-4},
    ),
    "kl-lora": Method(
        "a low-rank change that says what the RL model says, on its own responses",
        "2605.06241",
        own={"positions": "all"},
        needs_teacher=True,
    ),
}
