"""Plain documents, which both models read as they stand: no question, no gold answer.

A document is put as a response, so that each of its tokens is predicted: after the BOS id where the tokenizer begins
with one, else after the document's own first token, which nothing predicts. Its text is the question of its problem.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rlprobe.errors import BadInput
from rlprobe.problems.prompts import starts_with_bos
from rlprobe.problems.responses import ARM
from rlprobe.records import Made, Problem, Rollout, Stop

STYLE = "document"  # in the place of a prompt style


def opening(text: str, tokenizer: Any) -> tuple[str, list[int]]:
    """What stands before the tokens of a document that are predicted, as text and as one id."""
    first = [tokenizer.bos_token_id] if starts_with_bos(tokenizer) else _ids(text, tokenizer)[:1]
    if not first:
        raise BadInput(f"the document {text[:40]!r} has no token at all")
    return tokenizer.decode(first), first


def document_rollouts(
    documents: Sequence[Problem],
    prompts: Mapping[str, Sequence[int]],
    tokenizer: Any,
    allowed_ids: Collection[int],
    context: int,
) -> list[Rollout]:
    """The documents that are in `prompts`. Raises BadInput for one that is longer than the context, in tokens."""
    rollouts = [_rollout(d, prompts[d.problem_id], tokenizer) for d in documents if d.problem_id in prompts]
    allowed, lengths = frozenset(allowed_ids), [len(r.prompt_ids) + len(r.response_ids) for r in rollouts]
    for rollout in rollouts:
        if strange := [i for i in rollout.response_ids if i not in allowed]:
            raise BadInput(f"{rollout.problem_id} holds {strange[0]}, which is no token of the common vocabulary")
    if long := [(r.problem_id, n) for r, n in zip(rollouts, lengths, strict=True) if n > context]:
        raise BadInput(
            f"{long[0][0]} has {long[0][1]} tokens, more than the context of {context} ({len(long)} of {len(rollouts)} "
            "documents are longer): split them"
        )
    return rollouts


def _rollout(document: Problem, prompt_ids: Sequence[int], tokenizer: Any) -> Rollout:
    ids = _ids(document.question, tokenizer)
    ids = ids if starts_with_bos(tokenizer) else ids[1:]
    return Rollout(
        arm=ARM,
        problem_id=document.problem_id,
        draw=0,
        prompt_ids=list(prompt_ids),
        response_ids=ids,
        host_ids=None,
        gated=[False] * len(ids),
        logprobs=None,
        stop=Stop.GIVEN,
        made=Made.GIVEN_TEXT,
    )


def _ids(text: str, tokenizer: Any) -> list[int]:
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return ids[1:] if starts_with_bos(tokenizer) and ids[:1] == [tokenizer.bos_token_id] else ids
