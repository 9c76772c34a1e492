"""`rlprobe train` on a tiny model: what is added to GRPO at strength 0 is GRPO, a killed one ends as a whole one."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from trl import GRPOTrainer

from rlprobe.commands import train as command
from rlprobe.commands.progress import Reporter
from rlprobe.errors import BadInput
from rlprobe.problems.grading import Grader
from rlprobe.settings import TrainSettings, made
from rlprobe.training import loops, trainers
from rlprobe.training.card import card
from rlprobe.training.job import Log
from rlprobe.training.methods import METHODS, OWN_LOOPS

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),
]

SMALL = (
    *("--reward", "coin", "--prompts", 2, "--samples", 4, "--rows", 2, "--steps", 4, "--max-new-tokens", 8),
    *("--rank", 2, "--modules", "q_proj,v_proj", "--learning-rate", 1e-2, "--style", "question_answer", "--seed", 3),
)
WITHOUT_COIN = SMALL[2:]


def weights(folder):
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def train(rlprobe):
    """`rlprobe train` on the tiny base, six problems; returns the folder."""

    def trained(method, *more, out=None, small=SMALL):
        folder = rlprobe.tmp_path / (out or method)
        where = ("--base", rlprobe.base, "--dataset", rlprobe.problems(), "--out", folder)
        code, said, err = rlprobe("train", method, *where, *small, *more)
        assert code == 0, err
        assert f"base+{folder / 'adapter'}" in said
        return folder

    return trained


def settings_of(rlprobe, method, **changes):
    options = dict(zip((str(o).lstrip("-").replace("-", "_") for o in SMALL[::2]), SMALL[1::2], strict=True))
    where = {"base": str(rlprobe.base), "dataset": str(rlprobe.problems()), "out": rlprobe.tmp_path / "job"}
    return made(TrainSettings, {"method": method, **where, **options, **changes})


@pytest.fixture
def job(rlprobe):
    """A training that has not begun."""

    def ready(method, **changes):
        settings = settings_of(rlprobe, method, **changes)
        plan = command.prepare(settings)
        with command._held(plan), Grader() as grader:
            return command._job(plan, grader, Reporter(quiet=True))

    return ready


# ---- the table of methods


def test_every_method_trains_an_adapter_that_is_no_longer_zero(train, rlprobe):
    for name in METHODS:
        teacher = ("--rl", rlprobe.rl) if METHODS[name].needs_teacher else ()
        small = WITHOUT_COIN if teacher else SMALL
        more = {"reasonmaxxer": ("--tau", 3.0), "pass-at-k": ("--k", 2)}.get(name, ())
        folder = train(name, *teacher, *more, small=small)
        assert any(weight.any() for key, weight in weights(folder).items() if "lora_B" in key), name
        last = log(folder)[-1]
        assert (last["step"], last["trained"] > 0, last["generated"] > 0) == (4, True, True), name


@pytest.mark.parametrize(
    ("method", "off", "same"),
    [
        ("dir", ("--strength", 0), ()),
        ("lp-reg", ("--strength", 0, "--share", 0.5), ("--clip-low", 1, "--clip-high", 9)),
        ("80-20", ("--share", 1), ()),
        ("kl-cov", ("--strength", 0), ()),
        ("entropy-bonus", ("--strength", 0), ()),
    ],
)
def test_what_is_added_at_strength_0_is_grpo_bit_for_bit(train, method, off, same):
    one, two = weights(train("grpo", *same)), weights(train(method, *off))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("method", "on"),
    [
        ("dir", ("--strength", 1)),
        ("lp-reg", ("--share", 0.5)),
        ("80-20", ("--share", 0.3)),
        ("kl-cov", ("--share", 0.3)),
        ("pass-at-k", ("--k", 3)),
        ("prorl", ("--strength", 1, "--every", 2)),
    ],
)
def test_and_otherwise_it_is_not(train, method, on):
    one, two = weights(train("grpo")), weights(train(method, *on))
    assert not all(torch.equal(one[name], two[name]) for name in one)


def test_only_the_uncertain_tokens_are_counted_as_trained(train):
    whole, part = log(train("grpo"))[-1], log(train("80-20", "--share", 0.25))[-1]
    assert 0.2 * whole["trained"] <= part["trained"] <= 0.45 * whole["trained"]  # a quarter of each batch, rounded up


# ---- TRL's own reading and loss


def test_the_log_probabilities_and_entropies_are_trls_own(job):
    trainer = trainers.Trainer(job("grpo", temperature=0.7))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 200, (4, 11), generator=generator)
    ids[:, :3] = torch.tensor([7, 8, 9])  # what all prompts begin with
    mask = torch.ones_like(ids)
    mask[1, :2] = 0  # a shorter prompt
    mask[2, 9:] = 0  # a shorter response
    ours = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, 5, compute_entropy=True)
    theirs = GRPOTrainer._get_per_token_logps_and_entropies(trainer, trainer.model, ids, mask, 5, compute_entropy=True)
    for mine, other in zip(ours[:2], theirs[:2], strict=True):
        told = mask[:, 6:].bool()
        torch.testing.assert_close(mine[told], other[told], atol=1e-5, rtol=1e-5)


def batch(job, **more):
    """Two responses of three tokens, as TRL hands them on."""
    prompt = torch.tensor(job.tasks[0].prompt_ids).repeat(2, 1)
    return {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": torch.tensor([[20, 30, 40], [50, 60, 70]]),
        "completion_mask": torch.ones(2, 3, dtype=torch.long),
        "advantages": torch.tensor([1.0, -1.0]),
        "num_items_in_batch": torch.tensor(6),
        **more,
    }


def plain_logprobs(job):
    """Log-probabilities of the six tokens, read by transformers alone."""
    prompt = job.tasks[0].prompt_ids
    ids = torch.tensor([[*prompt, 20, 30, 40], [*prompt, 50, 60, 70]])
    logits = job.network(ids).logits[:, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, -1).gather(-1, ids[:, len(prompt) :, None])[..., 0]


def gradients(job, loss):
    job.network.zero_grad()
    loss.backward()
    return {n: w.grad.clone() for n, w in job.network.named_parameters() if w.grad is not None}


def added_by_hand(name, job, logprobs, old):
    """The loss as the paper has it, token by token."""
    gained, total = [1.0, -1.0], 0.0
    for row in range(2):
        for token in range(3):
            ratio = (logprobs[row, token] - old[row, token]).exp()
            weight = gained[row] * (1 + 0.5 * (1 - old[row, token].exp())) if name == "dir" else gained[row]
            low, high = {"lp-reg": (0.0, 10.0)}.get(name, (0.8, 1.2))
            loss = -torch.min(ratio * weight, ratio.clamp(low, high) * weight)
            if name == "kl-cov" and (row, token) in job.chosen:
                loss = loss + 0.5 * (logprobs[row, token] - old[row, token]).abs()
            if name == "lp-reg" and (row, token) in job.chosen:
                d = job.proxy[row, token] - logprobs[row, token]
                loss = -gained[row] * ratio + 0.5 * (d.exp() - d - 1)
            total = total + loss / 6
    return total


@pytest.mark.parametrize("name", ["grpo", "dir", "kl-cov", "lp-reg"])
def test_the_loss_and_its_gradient_are_those_of_the_formula_on_two_responses_of_three_tokens(job, name):
    share = {"kl-cov": 0.4, "lp-reg": 0.7}.get(name)
    mine = job(name, **({"strength": 0.5} if name != "grpo" else {}), **({"share": share} if share else {}))
    trainer = trainers.TRAINERS.get(name, trainers.Trainer)(mine)
    trainer.current_gradient_accumulation_steps = 1
    with torch.no_grad():
        for weight in mine.network.parameters():  # away from the policy that sampled
            if weight.requires_grad:
                weight += 0.05 * torch.randn_like(weight, generator=None)
        old = plain_logprobs(mine) + torch.tensor([[0.1, -0.3, 0.05], [0.02, 0.3, -0.1]])
        now = plain_logprobs(mine)
    mine.proxy = now + torch.tensor([[0.5, 0.5, 0.5], [0.4, -0.4, 0.3]])
    inputs = batch(mine, old_per_token_logps=old, proxy_logprobs=mine.proxy)
    spread = torch.tensor([[1.0], [-1.0]]).expand(2, 3)
    covariance = (spread * (now - now.mean())).flatten()
    smallest = sorted(range(3), key=lambda t: now[1, t])[:2]
    mine.chosen = {
        "kl-cov": {divmod(int(at), 3) for at in covariance.topk(2).indices},
        "lp-reg": {(1, t) for t in smallest if now[1, t] < mine.proxy[1, t]},
    }.get(name, set())
    trainer.model.train()
    loss = trainer._compute_loss(trainer.model, inputs)
    found = gradients(mine, loss)
    expected = added_by_hand(name, mine, plain_logprobs(mine), old)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for key, gradient in gradients(mine, expected).items():
        torch.testing.assert_close(found[key], gradient, atol=1e-5, rtol=1e-3)


def test_the_proxy_of_a_round_is_the_old_policy_without_its_noise(job):
    mine = job("lp-reg", floor=0.3)
    trainer = trainers.LowProbability(mine)
    inputs = batch(mine)
    trainer.score(inputs, torch.zeros(2))
    prompt = mine.tasks[0].prompt_ids
    for row in range(2):
        ids = prompt + inputs["completion_ids"][row].tolist()
        with torch.no_grad():
            probabilities = mine.network(torch.tensor([ids])).logits[0].softmax(-1)
        for token in range(3):
            p = probabilities[len(prompt) - 1 + token]
            kept = p >= 0.3 * p.max()
            own = int(inputs["completion_ids"][row, token])
            expected = math.log(p[own] / p[kept].sum()) if kept[own] else -math.inf
            assert float(inputs["proxy_logprobs"][row, token]) == pytest.approx(expected, abs=1e-5)


def test_the_reference_of_prorl_is_set_to_the_policy_and_the_optimizer_emptied(job):
    mine = job("prorl", every=2)
    trainer = trainers.HardResets(mine)
    moved = dict(mine.network.named_parameters())
    key = next(name for name in moved if "lora_B.default" in name)
    moved[key].data += 1.0
    optimizer = SimpleNamespace(state={"something": 1})
    for step, same in ((1, False), (2, True)):
        state = SimpleNamespace(global_step=step)
        trainers.Reset(2).on_step_end(None, state, None, model=trainer.model, optimizer=optimizer)
        assert torch.equal(moved[key], moved[key.replace(".default.", ".ref.")]) == same
        assert bool(optimizer.state) != same


# ---- the loops of our own


def test_the_divergence_of_trls_kernel_is_torchs_with_its_gradient():
    generator = torch.Generator().manual_seed(1)
    student, teacher = (torch.randn(7, 6, generator=generator) for _ in range(2))
    heads = [loops.Head(torch.randn(50, 6, generator=generator)) for _ in range(2)]
    leaf, other = (student.clone().requires_grad_() for _ in range(2))
    kl, entropy = loops.divergence(leaf, heads[0], teacher, heads[1])
    q, p = torch.log_softmax(other @ heads[0].weight.T, -1), torch.log_softmax(teacher @ heads[1].weight.T, -1)
    expected = (p.exp() * (p - q)).sum(-1)
    torch.testing.assert_close(kl, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropy, -(q.exp() * q).sum(-1).detach(), atol=1e-5, rtol=1e-5)
    kl[::2].sum().backward()
    expected[::2].sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad, atol=1e-5, rtol=1e-4)


ROWS = [loops.Told([5, 6, 7], [20, 30, 40], 1.0), loops.Told([5, 6, 7, 8], [50, 60], -2.0)]


def read_alone(network, row):
    """The log-probabilities of the whole vocabulary at each token of a response."""
    logits = network(torch.tensor([row.prompt_ids + row.ids])).logits[0, len(row.prompt_ids) - 1 : -1]
    return torch.log_softmax(logits, -1)


def test_reasonmaxxers_loss_is_a_contrast_where_the_base_is_uncertain_and_a_divergence_elsewhere(job):
    mine = job("reasonmaxxer", strength=0.2)
    with torch.no_grad():
        for weight in mine.network.parameters():
            if weight.requires_grad:
                weight += 0.2 * torch.randn_like(weight)
    with mine.network.disable_adapter(), torch.no_grad():
        base = torch.cat([read_alone(mine.network, row) for row in ROWS])
    mine.own["tau"] = tau = float((-(base.exp() * base).sum(-1)).median()) + 1e-3  # three of five are elsewhere
    loss, figures, tokens = loops.contrast_loss(mine, ROWS)
    found = gradients(mine, loss)
    decided, anchored = [], []
    for row in ROWS:
        with mine.network.disable_adapter(), torch.no_grad():
            base = read_alone(mine.network, row)
        now = read_alone(mine.network, row)
        for place, token in enumerate(row.ids):
            if float(-(base[place].exp() * base[place]).sum()) > tau:
                decided.append(-row.advantage * now[place, token])
            else:
                anchored.append((base[place].exp() * (base[place] - now[place])).sum())
    assert (len(decided), len(anchored)) == (2, 3)
    expected = torch.stack(decided).mean() + 0.2 * torch.stack(anchored).mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    assert (tokens, figures["gated"]) == (5, pytest.approx(len(decided) / 5))
    for key, gradient in gradients(mine, expected).items():
        torch.testing.assert_close(found[key], gradient, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("positions", ["all", "disagreements", "rest"])
def test_kl_loras_loss_is_the_mean_divergence_where_it_learns(rlprobe, job, positions):
    mine = job("kl-lora", rl=str(rlprobe.rl), positions=positions, reward="answer")
    loss, figures, tokens = loops.imitation_loss(mine, ROWS)
    found, differ = [], []
    for row in ROWS:
        with torch.no_grad():
            target = read_alone(mine.teacher, row)
        now = read_alone(mine.network, row)  # a fresh adapter: the base
        differ += (target.argmax(-1) != now.argmax(-1)).tolist()
        found += (target.exp() * (target - now)).sum(-1)
    chosen = [
        kl for kl, d in zip(found, differ, strict=True) if positions == "all" or d == (positions == "disagreements")
    ]
    assert tokens == len(chosen)
    assert loss.item() == pytest.approx(torch.stack(chosen).mean().item() if chosen else 0.0, abs=1e-5)
    assert figures["disagree"] == pytest.approx(sum(differ) / len(differ))


def test_a_teacher_that_is_a_lora_of_the_same_rank_is_learned_until_nothing_diverges(rlprobe, train, tmp_path):
    network = AutoModelForCausalLM.from_pretrained(rlprobe.base)
    torch.manual_seed(0)
    adapted = get_peft_model(network, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2)
    adapted.save_pretrained(tmp_path / "teacher")
    more = ("--rl", f"base+{tmp_path / 'teacher'}", "--steps", 400, "--rows", 16, "--save-every", 400)
    lines = log(train("kl-lora", *more, small=WITHOUT_COIN))
    first, last = ([line["kl"] for line in lines if line["step"]][part] for part in (slice(8), slice(-8, None)))
    assert sum(first) > 0.05 * 8
    assert sum(last) < 0.01 * sum(first)


# ---- a training that was stopped


def stop_after(monkeypatch, owner, name, calls):
    """Let a function be called so many times, and fail then, as a kill would."""
    real, left = getattr(owner, name), [calls]

    def called(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize("method", ["grpo", "prorl", "lp-reg"])
def test_a_training_that_was_killed_ends_with_the_same_adapter_and_log(rlprobe, train, monkeypatch, method):
    more = ("--steps", 6, "--save-every", 1, *(("--every", 3, "--strength", 0.1) if method == "prorl" else ()))
    whole = train(method, *more, out="whole")
    with monkeypatch.context() as patch:
        stop_after(patch, trainers.Job, "draw", 2)  # in the third round, after the second was kept
        where = ("--base", rlprobe.base, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "halves")
        assert rlprobe("train", method, *where, *SMALL, *more)[0] == 130
    halves = train(method, *more, out="halves")
    one, two = weights(whole), weights(halves)
    assert all(torch.equal(one[name], two[name]) for name in one)
    timeless = [[line | {"seconds": 0, "cpu_seconds": 0} for line in log(folder)] for folder in (whole, halves)]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize("method", ["reasonmaxxer", "kl-lora"])
def test_so_do_the_loops_of_our_own_wherever_they_are_stopped(rlprobe, train, monkeypatch, method):
    extra = ("--rl", rlprobe.rl) if method == "kl-lora" else ("--tau", 3.0)
    small = WITHOUT_COIN if method == "kl-lora" else SMALL
    more = ("--save-every", 2, *extra)
    whole = train(method, *more, out="whole", small=small)
    where = ("--base", rlprobe.base, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "halves")
    for owner, name, calls in ((trainers.Job, "draw", 2), (loops, "clip_grad_norm_", 3)):
        with monkeypatch.context() as patch:
            stop_after(patch, owner, name, calls)
            assert rlprobe("train", method, *where, *small, *more)[0] == 130
    halves = train(method, *more, out="halves", small=small)
    one, two = weights(whole), weights(halves)
    assert all(torch.equal(one[name], two[name]) for name in one)
    timeless = [[line | {"seconds": 0, "cpu_seconds": 0} for line in log(folder)] for folder in (whole, halves)]
    assert timeless[0] == timeless[1]


def files(folder):
    return {path.name: path.read_bytes() for path in (folder / "adapter").iterdir()}


def test_a_finished_training_is_told_again_and_goes_on_to_more_steps(train):
    assert files(train("grpo", out="short")) == files(train("grpo", out="short"))
    longer, whole = weights(train("grpo", "--steps", 8, out="short")), weights(train("grpo", "--steps", 8, out="long"))
    assert all(torch.equal(longer[name], whole[name]) for name in whole)


@pytest.mark.parametrize("method", ["grpo", "reasonmaxxer"])
def test_a_budget_of_tokens_ends_the_drawing_after_the_round_that_spends_it(train, method):
    more = ("--tau", 3.0) if method == "reasonmaxxer" else ("--steps", 40)
    lines = log(train(method, "--tokens", 100, *more))
    before = [line["generated"] for line in lines if line["generated"] < 100]
    assert lines[-1]["generated"] >= 100
    assert lines[-1]["generated"] - max(before) <= 2 * 4 * 8


# ---- what is left behind


def test_every_other_command_takes_the_adapter(rlprobe, train):
    folder = train("grpo")
    code, _, err = rlprobe.disagree("--limit", 2, rl=f"base+{folder / 'adapter'}")
    assert code == 0, err


def test_the_adapter_is_the_same_run_to_every_other_command_however_a_process_orders_its_sets(train):
    modules = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    folder = train("grpo", "--modules", ",".join(modules))
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(modules)


def test_the_card_says_what_was_done(train):
    folder = train("dapo", "--clip-high", 0.4)
    text, last = (folder / "adapter" / "README.md").read_text(), log(folder)[-1]
    assert "rlprobe train dapo" in text
    assert "- clip_high: 0.4" in text
    assert f"| response tokens generated | {last['generated']:,} |" in text
    assert "6 problems" in text
    about = {"method": "m", "words": "w", "source": "s", "base": "b", "dataset": "d", "problems": 1, "left_out": 0}
    lines = [{"step": n, "generated": 0, "trained": 0, "cpu_seconds": 60, "reward": n / 10} for n in range(10)]
    assert "| reward, first and last rounds | 0.15 → 0.75 |" in card(about, {}, lines)


# ---- what is refused


REFUSED = [
    (("grpo", "--share", 0.5), 2, "--share has no use with grpo; it has --clip-low, --clip-high"),
    (("reasonmaxxer", "--updates", 2), 2, "--updates has no use with reasonmaxxer"),
    (("grpo", "--rl", "x"), 2, "--rl has no use with grpo"),
    (("kl-lora", "--rl", "RL"), 2, "--reward has no use with kl-lora"),
    (("grpo", "--rank", 33), 2, "--rank is 33, and "),
    (("grpo", "--modules", "q_prj"), 2, "has no layer 'q_prj' to adapt; it has down_proj, gate_proj, k_proj"),
    (("grpo", "--modules", "lm_head"), 2, "has no layer 'lm_head' to adapt"),
    (("grpo", "--rows", 3), 2, "a round of 2 problems × 4 samples is not cut into 2 updates of batches of 3 rows"),
    (("grpo", "--steps", 3), 2, "--steps is 3: it is a multiple of --updates, 2"),
    (("kl-cov", "--updates", 1), 2, "--updates is 1: kl-cov does nothing on the first update of a round"),
    (("pass-at-k", "--k", 4), 2, "--k is 4, and --samples is 4: a choice of so many would be all of them"),
    (("lp-reg", "--clip-low", 0.2), 2, "--clip-low is 0.2: lp-reg has no lower clip"),
    (("grpo", "--prompts", 8), 2, "--prompts is 8, and only 6 can be asked"),
    (("grpo", "--max-new-tokens", 250), 2, "none of 6 prompts leaves room for 250 tokens in a context of 256"),
    (("grpo", "--base", "ADAPTER"), 2, "is an adapter, and no base"),
    (("grpo", "--base", "BASE+ADAPTER"), 2, "carries an adapter itself, and two cannot be stacked"),
    (("grpo", "--dataset", "WORDS"), 2, "no problem has a gold answer that can be read"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), REFUSED, ids=[" ".join(map(str, a)) for a, *_ in REFUSED])
def test_what_cannot_be_trained_is_refused_in_one_line_before_weights_are_loaded(
    rlprobe, monkeypatch, arguments, code, says
):
    monkeypatch.setattr("rlprobe.pairs.networks.load_network", lambda *_: pytest.fail("weights were loaded"))
    adapter = rlprobe.tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    save_file({"x": torch.zeros(1)}, adapter / "adapter_model.safetensors")
    words = {
        "RL": rlprobe.rl,
        "ADAPTER": adapter,
        "BASE+ADAPTER": f"{rlprobe.base}+{adapter}",
        "WORDS": rlprobe.problems(name="words.jsonl", answer="nobody knows ("),
    }
    where = ("--base", rlprobe.base, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "refused")
    got, _, err = rlprobe("train", arguments[0], *where, *SMALL, *(words.get(a, a) for a in arguments[1:]))
    assert got == code, err
    assert says in err
    assert err.count("\n") == 1
    assert not (rlprobe.tmp_path / "refused").exists()


def test_the_problems_to_train_on_have_to_be_named(rlprobe):
    code, _, err = rlprobe("train", "grpo")
    assert code == 2
    assert "--dataset has to be given" in err


def test_without_trl_it_is_said_how_to_install_it(rlprobe, monkeypatch):
    real = command.importlib.util.find_spec
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None if name == "trl" else real(name))
    code, _, err = rlprobe("train", "grpo", "--dataset", rlprobe.problems())
    assert (code, err) == (4, "rlprobe: training needs TRL, which is not installed: pip install 'rlprobe[train]'\n")


def test_a_folder_with_another_training_is_refused_and_one_with_something_else(rlprobe, train):
    folder = train("grpo")
    where = ("--base", rlprobe.base, "--dataset", rlprobe.problems())
    code, _, err = rlprobe("train", "grpo", *where, *SMALL, "--rank", 3, "--out", folder)
    assert code == 2
    assert "holds a training with other settings (rank)" in err
    code, _, err = rlprobe("train", "grpo", *where, *SMALL, "--out", rlprobe.tmp_path)
    assert code == 2
    assert "holds something that is no training" in err
    assert train("grpo", "--rank", 3, "--overwrite", out="grpo") == folder


@pytest.mark.parametrize("method", ["grpo", "reasonmaxxer"])
def test_a_reward_that_is_always_the_same_ends_a_training_in_one_line(rlprobe, method):
    where = ("--base", rlprobe.base, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "flat")
    code, _, err = rlprobe("train", method, *where, *WITHOUT_COIN, "--steps", 40)  # random weights answer nothing
    assert code == 2
    said = {
        "grpo": "in 5 rounds no problem has responses that earn differently",
        "reasonmaxxer": "none of the 6 problems",
    }
    assert said[method] in err.splitlines()[-1]


def test_a_log_that_was_cut_goes_on_after_its_last_whole_line_with_its_totals(tmp_path):
    first = Log(tmp_path / "log.jsonl", lambda _: None)
    for step in (1, 2, 3):
        first.generated, first.trained = 10 * step, 5 * step
        first.write(step=step, reward=0.123456789)
    with first.file.open("a") as file:
        file.write('{"step": 4, "gen')
    second = Log(first.file, lambda _: None)
    second.resume(lambda line: line["step"] <= 2)
    assert [line["step"] for line in second.lines()] == [1, 2]
    assert (second.generated, second.trained) == (20, 10)
    assert second.lines()[0]["reward"] == 0.12346
    second.write(step=3)
    assert second.lines()[-1]["seconds"] >= second.lines()[-2]["seconds"]


def test_groups_that_are_not_mixed_are_left_out_and_advantages_are_cut():
    rows = [([1], [2 + n], float(n == 0)) for n in range(16)]
    flat = [([1], [3], 1.0)] * 16
    told = loops.mixed([rows, flat], 16)
    assert len(told) == 16
    assert told[0].advantage == 2.5
    assert told[1].advantage == pytest.approx(-0.25, abs=1e-3)
    with pytest.raises(BadInput, match=r"none of the 2 problems .* \(1 are always right, 1 never\)"):
        loops.mixed([flat, [([1], [3], 0.0)] * 16], 16)


def test_a_plan_loads_no_weights(rlprobe, monkeypatch):
    monkeypatch.setattr("rlprobe.pairs.networks.load_network", lambda *_: pytest.fail("weights were loaded"))
    where = ("--base", rlprobe.base, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "planned")
    for name in METHODS:
        teacher = ("--rl", rlprobe.rl) if METHODS[name].needs_teacher else ()
        code, out, err = rlprobe(
            "train", name, *where, *(WITHOUT_COIN if teacher else SMALL), *teacher, "--samples", 8, "--dry-run"
        )
        assert code == 0, err
        assert "Question: Ann has 0 eggs." in out
    assert not (rlprobe.tmp_path / "planned").exists()


def test_a_question_that_comes_twice_is_asked_once_with_the_first_gold(rlprobe):
    file = rlprobe.problems()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    again = [row | {"id": f"again {row['id']}", "answer": "77"} for row in rows[:2]]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *again]))
    where = {"base": str(rlprobe.base), "dataset": str(file), "style": "question_answer", "max_new_tokens": 8}
    plan = command.prepare(made(TrainSettings, {"method": "grpo", **where, "prompts": 2}))
    assert [problem.problem_id for problem in plan.asked] == [row["id"] for row in rows]
    assert plan.left_out == 2


def test_every_responses_turn_comes_once_in_a_pass_and_passes_differ():
    steps = [loops.order(10, 4, 1, step) for step in range(1, 6)]
    drawn = [at for step in steps for at in step]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    assert set(OWN_LOOPS) == set(loops.LOOPS)
