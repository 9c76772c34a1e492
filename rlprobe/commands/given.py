"""Texts that both models read in the place of their own answers: responses made elsewhere, or plain documents.

They are the arm `responses` of a run, whose identity holds the file's hash. What the file lacks is left out by name.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rlprobe.commands import stages
from rlprobe.commands.prepare import Prepared, prepare, problems_asked
from rlprobe.commands.proposed import asked_of, hash_of
from rlprobe.commands.rollouts import rollouts_table
from rlprobe.errors import BadInput
from rlprobe.problems.datasets import load_documents, printable
from rlprobe.problems.documents import document_rollouts
from rlprobe.problems.responses import ARM, Loaded, ResponseFile, load_responses, load_solutions
from rlprobe.records import Made
from rlprobe.settings import GivenChoice, ProblemChoice, Settings


def prepare_given(settings: Settings, choice: GivenChoice) -> Prepared:
    """Everything that is settled before computing, the given texts included: what cannot be read ends here."""
    if choice.text:
        return _with_documents(settings, choice.text, choice.text_field)
    if choice.responses:
        return _with_responses(settings, ResponseFile(choice.responses, choice.id_field, choice.response_field))
    if choice.gold:
        return _with_solutions(settings)
    return prepare(settings, {})


def take_given(job: stages.Job) -> None:
    """File the given texts in the run."""
    prepared, run = job.prepared, job.run
    order = {p.problem_id: i for i, p in enumerate(run.problems())}
    given = sorted(prepared.given, key=lambda r: (order[r.problem_id], r.draw))
    for shard in run.missing("rollouts", ARM, prepared.block, job.share, len(prepared.problems)):
        here = [r for r in given if shard.start <= order[r.problem_id] < shard.stop]
        run.write_shard("rollouts", shard, rollouts_table(here))


def _with_documents(settings: Settings, path: Path, field: str | None) -> Prepared:
    if settings.problems != ProblemChoice(limit=settings.problems.limit):
        raise BadInput("--text has documents without questions: leave out --dataset, its fields, --style and --only")
    documents = load_documents(path, field)
    prepared = prepare(settings, {"text": hash_of(path)}, documents)
    rollouts = document_rollouts(
        prepared.problems,
        prepared.prompts,
        prepared.located.prompt_tokenizer,
        prepared.located.vocabulary.ids.tolist(),
        prepared.located.context,
    )
    return replace(prepared, given=tuple(rollouts), about=prepared.about | {"text": printable(path.name)})


def _with_responses(settings: Settings, file: ResponseFile) -> Prepared:
    file.check()
    fields = {"id_field": file.id_field, "response_field": file.response_field}
    problem_set = problems_asked(settings)
    prepared = prepare(settings, {"responses": {"sha256": hash_of(file.path), **fields}}, problem_set)
    asked = asked_of(problem_set, prepared.prompts, prepared.located)
    return _answered(prepared, load_responses(file, asked), printable(file.path.name))


def _with_solutions(settings: Settings) -> Prepared:
    problem_set = problems_asked(settings)
    solutions = {problem.problem_id: problem.solution for problem in problem_set.problems if problem.solution}
    if not solutions:
        raise BadInput(f"{problem_set.name} has no solutions to read: give texts of your own with --responses")
    digest = hashlib.sha256(json.dumps(solutions).encode()).hexdigest()
    prepared = prepare(settings, {"gold": {"sha256": digest}}, problem_set)
    before = "" if prepared.example[-1:].isspace() else " "  # as a response would begin
    said = {i: text if text[0].isspace() else before + text for i, text in solutions.items()}
    asked = asked_of(problem_set, prepared.prompts, prepared.located)
    return _answered(prepared, load_solutions(said, asked), f"solutions of {problem_set.name}")


def _answered(prepared: Prepared, loaded: Loaded, name: str) -> Prepared:
    """With the responses, and without the problems that have none."""
    answered = {problem_id for problem_id, _ in loaded.rollouts}
    notes = _notes(loaded, name, len(answered), prepared.style, prepared.located.stop_ids)
    unanswered = {i: f"no response in {name}" for i in prepared.prompts if i not in answered}
    return replace(
        prepared,
        given=tuple(loaded.rollouts.values()),
        prompts={i: ids for i, ids in prepared.prompts.items() if i in answered},
        left_out=prepared.left_out | unanswered,
        about=prepared.about | {"responses": loaded.about(name)},
        notes=tuple(notes),
    )


def _notes(loaded: Loaded, name: str, problems: int, style: str, stop_ids: Sequence[int]) -> Iterator[str]:
    """What a user should know of the responses before believing a number."""
    rollouts = loaded.rollouts.values()
    here, logprobs = sum(r.made is Made.GIVEN_TEXT for r in rollouts), sum(r.logprobs is not None for r in rollouts)
    yield (
        f"{name}, read as {loaded.format}: {len(rollouts)} responses to {problems} problems, {here} of them text that "
        f"was tokenised here, {logprobs} with the sampler's log-probabilities"
    )
    after = sum(not set(stop_ids).isdisjoint(r.response_ids[:-1]) for r in rollouts)
    for count, what in (
        (len(loaded.unknown), "rows answer no problem: they are left out"),
        (loaded.silent, "rows hold no response: they are left out"),
        (loaded.unfit, "responses have log-probabilities with gaps or of other tokens: these are left out"),
        (
            loaded.reprompted,
            f"responses were made for another prompt than style {style}'s, after which they are read",
        ),
        (after, "responses go on after a stop id; what follows it is read as well"),
    ):
        if count:
            yield f"{name}: {count} {what}"
