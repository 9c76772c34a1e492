"""Both doors say the same: what they can be asked, and how they refuse what cannot be meant.

goldens/help.txt holds every `--help`; after a change that is meant, write it anew and read the difference:

    python tests/test_doors.py > tests/goldens/help.txt
"""

import importlib
import re
from pathlib import Path

import click
import pytest

import rlprobe as rp
from rlprobe import settings
from rlprobe.cli import _given, cli
from rlprobe.commands import COMMANDS, RETOLD
from rlprobe.errors import BadInput

GOLDEN = Path(__file__).parent / "goldens" / "help.txt"

# the command line | the same from Python | what is said, and ends with 2
WRONG = [
    ("disagree --limit -1", {"limit": -1}, "--limit is -1: it is at least 1"),
    ("disagree --limit 1.5", {"limit": 1.5}, "--limit is '1.5': it is a whole number"),
    ("disagree --limit many", {"limit": "many"}, "--limit is 'many': it is a whole number"),
    ("disagree --shard-size 0", {"shard_size": 0}, "--shard-size is 0: it is at least 1"),
    ("disagree --batch-size no", {"batch_size": "no"}, "--batch-size is 'no': it is a whole number or 'auto'"),
    ("disagree --max-new-tokens 0", {"max_new_tokens": 0}, "--max-new-tokens is 0: it is at least 1"),
    ("disagree --max-outside 2", {"max_outside": 2}, "--max-outside is 2.0: it is at least 0 and at most 1"),
    (
        "sample --max-outside 0.5",
        {"max_outside": 0.5},
        "--max-outside has no use where both models do not read the draws: give --read with it",
    ),
    ("disagree --shard 8/2", {"shard": "8/2"}, "'8/2' is not of the form i/n with 1 <= i <= n, for example 2/8"),
    (
        "disagree --trajectory bse",
        {"trajectory": "bse"},
        "--trajectory is 'bse': it is one of both, base, rl; is 'base' meant?",
    ),
    (
        "disagree --dtype float",
        {"dtype": "float"},
        "--dtype is 'float': it is one of auto, float32, bfloat16, float16; is 'float32' meant?",
    ),
    (
        "disagree --statistics fast",
        {"statistics": "fast"},
        "--statistics is 'fast': it is one of auto, plain, compiled",
    ),
    ("disagree --answer middle", {"answer": "middle"}, "--answer is 'middle': it is one of first, last"),
    ("disagree --tau nan", {"tau": float("nan")}, "--tau is nan: it is a finite number"),
    ("disagree --tau -1", {"tau": -1}, "--tau is -1.0: it is at least 0"),
    ("disagree --class-k 0", {"class_k": 0}, "--class-k is 0: it is at least 1"),
    ("disagree --seed -1", {"seed": -1}, "--seed is -1: it is at least 0"),
    ("disagree --resamples 5", {"resamples": 5}, "--resamples is 5: it is at least 100"),
    ("disagree --confidence 1", {"confidence": 1.0}, "confidence is 1.0: it lies between 0 and 1"),
    (
        "disagree --extract boxes",
        {"extract": "boxes"},
        "--extract is 'boxes': it is one of box, answer_line, answer_tag, hashes, ..., general; is 'box' meant?",
    ),
    ("disagree --grader-timeout 0", {"grader_timeout": 0}, "--grader-timeout is 0: it is at least 1 and at most 86400"),
    ("disagree --grader-workers 0", {"grader_workers": 0}, "--grader-workers is 0: it is at least 1"),
    (
        "disagree --pair bundeld",
        {"pair": "bundeld"},
        "--pair: no pair is called 'bundeld'; known: ...; is 'bundled' meant?",
    ),
    (
        "disagree --dataset maths",
        {"dataset": "maths"},
        "--dataset: no data set 'maths', and it was not found as a file either; choose one of ..., or name a file...",
    ),
    (
        "disagree --style raws",
        {"style": "raws"},
        "--style: no prompt style is called 'raws'; known: ...; is 'raw' meant?",
    ),
    ("disagree --pair bundled --base x", {"pair": "bundled", "base": "x"}, "give either --pair or --base, not both"),
    ("disagree --responses a --text b", {"responses": "a", "text": "b"}, "give either --responses or --text, not both"),
    (
        "disagree --text a --trajectory rl",
        {"text": "a", "trajectory": "rl"},
        "give either --trajectory or --text, not both",
    ),
    ("disagree --id-field a", {"id_field": "a"}, "--id-field has no use without --responses: give --responses with it"),
    ("disagree --text-field a", {"text_field": "a"}, "--text-field has no use without --text: give --text with it"),
    ("intervene --mode oracle --tau .5", {"taus": [0.5], "modes": ["oracle"]}, "--tau is for the modes ..."),
    (
        "intervene --mode entrpy",
        {"modes": ["entrpy"]},
        "--mode: no mode is called 'entrpy'; known: ...; is 'entropy' meant?",
    ),
    ("intervene --gate nevr", {"gates": "nevr"}, "--gate: no gate is called 'nevr'; known: ...; is 'never' meant?"),
    (
        "intervene --gate never --writer doner_draw",
        {"gates": "never", "writer": "doner_draw"},
        "--writer: no writer is called 'doner_draw'; known: ...; is 'donor_draw' meant?",
    ),
    (
        "intervene --mode oracle --gate never",
        {"modes": "oracle", "gates": "never"},
        "give either --mode or --gate with --writer, not both",
    ),
    (
        "intervene --writer donor_draw",
        {"writer": "donor_draw"},
        "--writer says what is written where a --gate fires, and there is none; modes have their own",
    ),
    ("intervene --mode oracle --top-k 5", {"modes": "oracle", "top_ks": [5]}, "--top-k is for the modes ..."),
    (
        "intervene --mode oracle --allow-donor",
        {"modes": "oracle", "allow_donor": True},
        "--allow-donor is for the modes ...",
    ),
    ("intervene --host nobody", {"host": "nobody"}, "--host is 'nobody': it is one of base, rl"),
    ("intervene --budget -1", {"budget": -1}, "--budget is -1: it is at least 0"),
    ("intervene --draws 2", {"draws": 2}, "--draws has no use without --sample: give --sample with it"),
    ("intervene --seeds 2 --sample", {"seeds": 2, "sample": True}, "give either --seeds or --sample, not both"),
    (
        "intervene --temperature .5",
        {"temperature": 0.5},
        "--temperature has no use without --sample: give --sample with it",
    ),
    ("intervene --sample --top-p 0", {"sample": True, "top_p": 0}, "--top-p is 0.0: it is above 0 and at most 1"),
    (
        "intervene --mode random-replayed --sample",
        {"modes": "random-replayed", "sample": True},
        "random-replayed follows the greedy oracle's edits and cannot be sampled",
    ),
    ("sample --n 0", {"draws": 0}, "--n is 0: it is at least 1"),
    ("sample --temperature 0", {"temperature": 0}, "--temperature is 0.0: it is above 0"),
    (
        "signals --signal delt",
        {"signals": ["delt"]},
        "--signal: no signal is called 'delt'; known: ...; is 'delta' meant?",
    ),
    (
        "signals --signal kl --signal kl",
        {"signals": ["kl", "kl"]},
        "--signal is kl, kl: one of them is named twice; name each once",
    ),
    ("signals --target 200", {"targets": 2.0}, "--target is a share of the oracle's edits: above 0 and at most 100 %"),
    ("signals --preset dir --host rl", {"preset": "dir", "host": "rl"}, "give either --preset or --host, not both"),
    ("flips --problem a --all", {"problem": "a", "all_problems": True}, "give either --problem or --all, not both"),
    ("footprint =", {"checkpoints": ["="]}, "'=' names no model: a checkpoint is given as NAME=MODEL"),
    ("footprint", {}, "NAME=MODEL... has to be given"),
    ("weights --ranks half", {"ranks": "half"}, "rank 'half' is neither a whole number from 0 up nor full nor auto"),
    ("weights --limit 5", {"limit": 5}, "--limit has no use without --ranks: give --ranks with it"),
    ("weights run --pair bundled", {"run": "run", "pair": "bundled"}, "give either RUN or --pair, not both"),
    ("lens", {}, "RUN has to be given"),
    (
        "lens run --kind shiftd",
        {"run": "run", "kind": "shiftd"},
        "--kind is 'shiftd': it is one of disagreement, reranked, shifted; is 'shifted' meant?",
    ),
    (
        "patch run --layers 1,1",
        {"run": "run", "layers": (1, 1)},
        "--layers is 1, 1: one of them is named twice; name each once",
    ),
    ("patch run --before 0", {"run": "run", "before": 0}, "--before is 0: it is at least 1"),
    (
        "steer run --coefficient inf",
        {"run": "run", "coefficients": float("inf")},
        "--coefficient is inf: it is a finite number",
    ),
    (
        "steer run --where here",
        {"run": "run", "wheres": "here"},
        "--where is 'here': it is one of everywhere, uncertain",
    ),
    ("direction run --tail 0", {"run": "run", "tail": 0}, "--tail is 0.0: it is above 0"),
    (
        "grade run --answer-field a",
        {"run": "run", "answer_field": "a"},
        "--answer-field has no use without --dataset: give --dataset with it",
    ),
    ("merge out", {"out": "out"}, "RUNS has to be given"),
    (
        "report run --trajectory bas",
        {"run": "run", "trajectory": "bas"},
        "--trajectory is 'bas': it is one of both, base, rl; is 'base' meant?",
    ),
]
_ELSEWHERE = "... was given by another process: give it again, the same ..."
# the same through the doors of the user's own: files and names that are none
OWN_WRONG = [
    ("disagree --style no.jinja", {"style": "no.jinja"}, "--style: there is no file no.jinja"),
    ("intervene --style a/b.jinja", {"style": "a/b.jinja"}, "--style: there is no file a/b.jinja"),
    ("disagree --grader maths", {"grader": "maths"}, "--grader is 'maths': it is one of math, choice, exact; is ..."),
    ("grade run --grader text", {"run": "run", "grader": "text"}, "--grader is 'text': it is one of math, choice, ..."),
    ("disagree --extract choise", {"extract": "choise"}, "--extract is 'choise': it is one of ...; is 'choice' meant?"),
    ("disagree --only", None, "Option '--only' requires an argument."),
    ("disagree --include", None, "Option '--include' requires an argument."),
    ("disagree --include no.py", None, "--include: no.py cannot be read: No such file or directory"),
    ("disagree --any-thread", None, "there is no option --any-thread; is --any-threads meant?"),
    ("lens run --any-threads", None, "there is no option --any-threads..."),
    ("disagree --base live:0123456789ab --rl x", {"base": "live:0123456789ab", "rl": "x"}, _ELSEWHERE),
    ("disagree --dataset given:0123456789ab", {"dataset": "given:0123456789ab"}, _ELSEWHERE),
    ("grade run --dataset given:0123456789ab", {"run": "run", "dataset": "given:0123456789ab"}, _ELSEWHERE),
    ("disagree --style own(a,_0123456789ab)", {"style": "own(a, 0123456789ab)"}, _ELSEWHERE),
    ("disagree --extract own(a,_0123456789ab)", {"extract": "own(a, 0123456789ab)"}, _ELSEWHERE),
    ("disagree --grader own(a,_0123456789ab)", {"grader": "own(a, 0123456789ab)"}, _ELSEWHERE),
    ("intervene --gate own(a,_0123456789ab)", {"gates": "own(a, 0123456789ab)"}, _ELSEWHERE),
    (
        "intervene --gate never --writer own(a,_0123456789ab)",
        {"gates": "never", "writer": "own(a, 0123456789ab)"},
        _ELSEWHERE,
    ),
    ("intervene --gate disagree&", {"gates": "disagree&"}, "'disagree&' is no gate: put gates together as in ..."),
    ("intervene --gate disagree|&never", {"gates": "disagree|&never"}, "'disagree|&never' is no gate: ..."),
    ("intervene --gate (never", {"gates": "(never"}, "'(never' is no gate: put gates together as in ..."),
    ("intervene --gate disagree&nevr", {"gates": "disagree&nevr"}, "no gate is called 'nevr'; known: ..."),
    ("intervene --gate ~nevr", {"gates": "~nevr"}, "no gate is called 'nevr'; known: ..."),
    (
        "intervene --gate first(x)",
        {"gates": "first(x)"},
        "'first:x': an argument is no number of the kind that is wanted",
    ),
    ("intervene --gate first(1,2)", {"gates": "first(1,2)"}, "'first:1,2' has 2 arguments; first takes edits: int"),
    ("intervene --gate first()", {"gates": "first()"}, "'first' has 0 arguments; first takes edits: int"),
    ("intervene --gate first(-1)", {"gates": "first(-1)"}, "edits is -1, and must be at least 0"),
    ("intervene --gate of_kind(word)", {"gates": "of_kind(word)"}, "no kind of token is called 'word'; known: ..."),
    ("intervene --gate bernoulli(2)", {"gates": "bernoulli(2)"}, "p is 2, and must be a probability from 0 to 1"),
    ("intervene --gate f(open('x'))", {"gates": "f(open('x'))"}, "no gate is called 'f'; known: ..."),
    ("intervene --gate disagree()()", {"gates": "disagree()()"}, "'disagree()()' is no gate: ..."),
    ("intervene --gate never<(1)", {"gates": "never<(1)"}, "'never<(1)' is no gate: ..."),
    ("--from no.toml", None, "no.toml cannot be read: No such file or directory"),
    ("runs nowhere", None, "Invalid value for '[FOLDER]': Directory 'nowhere' does not exist."),
    ("disagree --shots no.jsonl", {"shots": "no.jsonl"}, "no.jsonl cannot be read: No such file or directory"),
    ("disagree --shots a.txt", {"shots": "a.txt"}, "a.txt is no .jsonl, .json, .parquet, .csv file: ..."),
    (
        "disagree --system a",
        {"system": "a"},
        "--system is a turn of a chat, and the prompt style question_answer is none...",
    ),
    (
        "disagree --only word-9999",
        {"only": "word-9999"},
        "--only: 'word-9999' is no problem of word-problems, no places ...",
    ),
    (
        "disagree --only 499-500",
        {"only": "499-500"},
        "--only is 499-500: the 500 problems of word-problems have the ...",
    ),
    (
        "sample --only 1-x",
        {"only": "1-x"},
        "--only: '1-x' is no problem of word-problems, no places such as 0-9, and ...",
    ),
    ("flips --text-only a", None, "there is no option --text-only..."),
    ("disagree --claims no.toml", {"claims": "no.toml"}, "cannot read the claims in no.toml: No such file or ..."),
    ("disagree --claims own(a,_0123456789ab)", {"claims": "own(a, 0123456789ab)"}, _ELSEWHERE),
    ("flips --claims a", None, "there is no option --claims..."),
]
# an option that a command does not use: it has none of that name
NOT_THERE = [
    ("intervene", "trajectory", "rl"),
    ("intervene", "class_k", 3),
    ("lens", "dtype", "float32"),
    ("lens", "rl_revision", "x"),
    ("flips", "overwrite", True),
    ("flips", "claims", "x"),
    ("footprint", "shard", "1/2"),
    ("footprint", "rl", "x"),
    ("flips", "max_outside", 0.5),
    ("sample", "tau", 1.0),
    ("weights", "shard", "1/2"),
    ("direction", "tau", 1.0),
    ("consequences", "overwrite", True),
    ("patch", "limit", 3),
    ("merge", "dataset", "x"),
    ("report", "answer", "last"),
]


def said_by_python(command, options):
    with pytest.raises(BadInput) as error:
        getattr(rp, command)(**options)
    assert error.value.exit_code == 2
    return str(error.value)


@pytest.mark.parametrize(("line", "options", "says"), WRONG, ids=lambda v: str(v)[:60])
def test_what_cannot_be_meant_is_refused_by_both_doors_in_the_same_words(
    rlprobe, tmp_path, monkeypatch, line, options, says
):
    monkeypatch.chdir(tmp_path)
    code, out, err = rlprobe(*line.split())
    assert (code, out) == (2, "")
    said = err.removeprefix("rlprobe: ").removesuffix("\n")
    assert said == said_by_python(line.split()[0], options)
    assert re.fullmatch(re.escape(says).replace(re.escape("..."), ".*"), said), said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("line", "options", "says"), OWN_WRONG, ids=lambda v: str(v)[:60])
def test_what_is_of_the_users_own_is_refused_in_the_same_words(rlprobe, tmp_path, monkeypatch, line, options, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = rlprobe(*(word.replace(",_", ", ") for word in line.split()))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    said = err.removeprefix("rlprobe: ").removesuffix("\n")
    assert re.fullmatch(re.escape(says).replace(re.escape("..."), ".*"), said), said
    if options is not None:
        assert said == said_by_python(line.split()[0], options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "name", "value"), NOT_THERE)
def test_an_option_that_a_command_does_not_use_does_not_exist_for_it(rlprobe, command, name, value):
    flag = f"--{name.replace('_', '-')}"
    code, _, err = rlprobe(command, *(["run"] if command in ("lens", "patch", "merge") else []), flag, str(value))
    assert code == 2
    needed = {"run": "run"} if command in ("lens", "patch", "report", "direction") else {}
    said = said_by_python(command, {**needed, name: value})
    assert said.partition(";")[0] == f"there is no option {name!r}"
    assert err.partition(";")[0].rstrip() == f"rlprobe: there is no option {flag}"


def test_what_is_near_is_named_at_both_doors(rlprobe):
    assert rlprobe("disagree", "--limt", "3") == (2, "", "rlprobe: there is no option --limt; is --limit meant?\n")
    assert said_by_python("disagree", {"limt": 3}) == "there is no option 'limt'; is 'limit' meant?"
    assert said_by_python("intervene", {"taos": 0.5}) == "there is no option 'taos'; is 'taus' meant?"
    assert "allow-donor is the opposite" in rlprobe("intervene", "--exclude-donor")[2]
    assert "'allow_donor' is the opposite" in said_by_python("intervene", {"exclude_donor": True})


def test_several_values_may_be_given_by_the_name_that_the_command_line_has():
    for command, flag, name in (
        ("intervene", "gate", "gates"),
        ("signals", "target", "targets"),
        ("sample", "n", "draws"),
    ):
        kind = COMMANDS[command].settings
        value = {"gate": "disagree", "target": 0.5, "n": 3}[flag]
        assert settings.made(kind, {flag: value}) == settings.made(kind, {name: value}) != settings.made(kind, {})
        said = f"{flag} and {name} are one option: give either"
        assert said_by_python(command, {flag: value, name: value}) == said
    assert said_by_python("intervene", {"tau": 0.5, "mode": "oracle"}).startswith("--tau is for the modes ")
    for kind in (command.settings for command in COMMANDS.values()):
        names, flags = ([getattr(each, what) for each in settings.options_of(kind)] for what in ("name", "option"))
        assert not {option.flag for option in flags if option.flag} & set(names), "a name of two options"


def test_too_many_places_are_refused():
    with pytest.raises(BadInput, match="'more' is one argument too many"):
        rp.lens("run", "more")
    with pytest.raises(BadInput, match="run is given twice"):
        rp.lens("run", run="other")


def test_names_are_completed():
    for command, option, begun, names in (
        ("intervene", "modes", "entr", ["entropy"]),
        ("intervene", "gates", "kl", ["kl_above"]),
        ("disagree", "pair", "bund", ["bundled"]),
        ("disagree", "style", "dapo", ["dapo", "dapo_boxed"]),
        ("signals", "preset", "d", ["dir"]),
        ("signals", "signals", "mar", ["margin"]),
    ):
        context = click.Context(cli.commands[command])
        parameter = next(p for p in context.command.params if p.name == option)
        assert [item.value for item in parameter.shell_complete(context, begun)] == names


def test_every_command_of_the_registry_can_do_what_it_says():
    for name, command in COMMANDS.items():
        assert callable(getattr(command.module, name))
        assert hasattr(command.module, "plan") == bool(command.plan), name
        assert hasattr(command.module, "retell") == (command.verdicts == RETOLD), name
        assert "*" in command.summary or command.summary == getattr(command.module, "SUMMARY", command.summary)


@pytest.mark.parametrize("names", [n for n in vars(settings).values() if isinstance(n, settings.Names)], ids=str)
def test_the_names_that_are_known_beforehand_are_those_of_the_registry(names):
    module = importlib.import_module(f"rlprobe.{names.module}")
    assert names.known() == tuple(getattr(module, names.registry))


@pytest.mark.parametrize("name", [name for name in cli.commands if cli.commands[name].epilog])
def test_the_example_of_a_command_is_one_that_it_takes(name):
    words = cli.commands[name].epilog.partition("rlprobe ")[2].split()
    context = cli.commands[name].make_context(name, words[1:], parent=click.Context(cli, **cli.context_settings))
    assert words[0] == name
    kind = COMMANDS[name].settings if name in COMMANDS else getattr(settings, f"{name.title()}Settings")
    with context:
        assert isinstance(settings.made(kind, _given(kind)), kind)


def helped():
    """Every `--help`, one after the other."""
    told = []
    group = click.Context(cli, info_name="rlprobe", terminal_width=100, **cli.context_settings)
    for name, command in [("", cli), *cli.commands.items()]:
        command._help_option = None  # click keeps the one of whoever asked first
        context = click.Context(command, info_name=name, parent=group, terminal_width=100) if name else group
        told.append(" ".join(filter(None, ("$ rlprobe", name, "--help"))) + f"\n{command.get_help(context)}\n")
    return "\n".join(told)


def test_help_says_what_it_said():
    assert helped() == GOLDEN.read_text(encoding="utf-8")


def test_every_command_and_every_option_has_its_words():
    for name, command in cli.commands.items():
        assert command.help, name
        assert all(p.help for p in command.params if isinstance(p, click.Option)), name
    assert [*COMMANDS] == [*cli.commands][: len(COMMANDS)]


if __name__ == "__main__":
    print(helped(), end="")
