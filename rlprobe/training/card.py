"""The card of an adapter: what it was trained from and how, from the log and the settings, never by hand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def card(about: Mapping[str, Any], settings: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown page. `about`: method, words, source, base, dataset, problems; `lines`: the log's."""
    last = lines[-1]
    figures = [
        ("updates of the weights", last["step"]),
        ("response tokens generated", f"{last['generated']:,}"),
        ("response tokens trained", f"{last['trained']:,}"),
        ("processor minutes", f"{last['cpu_seconds'] / 60:.1f}"),
        *_changes(lines),
    ]
    rows = [f"| {name} | {value} |" for name, value in figures]
    told = [f"- {name}: {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(
        [
            "---",
            "library_name: peft",
            f"base_model: {about['base']}",
            "---",
            "",
            f"# {about['method']}, a LoRA adapter on {about['base']}",
            "",
            f"Trained by `rlprobe train {about['method']}`: {about['words']} (arXiv {about['source']}), on "
            f"{about['problems']} problems of {about['dataset']}; {about['left_out']} were left out. The figures are "
            "of the training itself; no accuracy was measured.",
            "",
            f"    rlprobe disagree --base {about['base']} --rl base+FOLDER",
            "",
            "| | |",
            "| --- | --- |",
            *rows,
            "",
            "## Settings",
            "",
            *told,
            "",
        ]
    )


def _changes(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Of what changes over a training, the means of its first and its last lines, at most four of each."""
    found = []
    for name in ("reward", "length", "entropy", "kl"):
        values = [line[name] for line in lines if line.get(name) is not None]
        if values:
            many = min(4, -(-len(values) // 2))
            first, last = sum(values[:many]) / many, sum(values[-many:]) / many
            found.append((f"{name}, first and last rounds", f"{first:.3g} → {last:.3g}"))
    return found
