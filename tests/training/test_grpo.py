"""GRPO on a tiny model: the shared prefix changes nothing, the loss is TRL's, and a stopped run goes on as it was."""

import json
import warnings

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlprobe.errors import BadInput
from rlprobe.problems.grading import Grader
from rlprobe.training.grpo import (
    LOG,
    GrpoSettings,
    Sampled,
    Task,
    Training,
    advantages,
    backward,
    coin_flip,
    exact_answer,
    merged,
)
from rlprobe.training.sequences import lay_out, respond, response_logprobs

SHARED = [5, 6, 7, 8, 9, 10, 11, 12]
PROMPTS = [[*SHARED, 20], [*SHARED, 30, 31, 32], [*SHARED, 20, 41]]
RESPONSES = [[50, 51, 52], [60], [70, 71, 72, 73, 0]]
QUICK = GrpoSettings(
    steps=2, problems=2, samples=4, rows=3, longest=6, temperature=1.0, rate=1e-2, rank=2, alpha=4, modules=("q_proj",)
)


@pytest.fixture(scope="module")
def tiny(tiny_folders):
    return AutoModelForCausalLM.from_pretrained(tiny_folders[0])


def alone(network, prompt, response, temperature):
    """The log-probabilities of one response, read without padding and without a cache."""
    logits = network(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits / temperature, -1).gather(-1, torch.tensor(response)[:, None])[:, 0]


def test_what_all_prompts_begin_with_is_laid_out_once_and_each_prompt_keeps_its_last_id():
    laid = lay_out(PROMPTS, RESPONSES)
    assert laid.prefix == SHARED
    assert laid.ids[1].tolist() == [30, 31, 32, 60, 0, 0, 0, 0]
    assert laid.ids[0].tolist() == [0, 0, 20, 50, 51, 52, 0, 0]
    assert laid.mask[0].tolist() == [False, False, True, True, True, True, False, False]
    same = lay_out([[1, 2, 3], [1, 2, 3]], [[], []])
    assert (same.prefix, same.ids.tolist()) == ([1, 2], [[3], [3]])


@pytest.mark.parametrize("prompts", [PROMPTS, [p[len(SHARED) :] for p in PROMPTS]], ids=["shared", "nothing shared"])
def test_the_log_probabilities_are_those_of_each_response_read_alone(tiny, prompts):
    got, mask = response_logprobs(tiny, prompts, RESPONSES, temperature=0.7)
    for row, (prompt, response) in enumerate(zip(prompts, RESPONSES, strict=True)):
        assert mask[row].tolist() == [True] * len(response) + [False] * (5 - len(response))
        torch.testing.assert_close(got[row, mask[row]], alone(tiny, prompt, response, 0.7), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("prompts", [PROMPTS, [p[len(SHARED) :] for p in PROMPTS]], ids=["shared", "nothing shared"])
def test_greedy_responses_are_those_of_generate_for_each_prompt_alone(tiny, prompts):
    got = respond(tiny, prompts, stop_id=0, max_new_tokens=12, do_sample=False)
    for prompt, response in zip(prompts, got, strict=True):
        out = tiny.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=0, pad_token_id=0)
        assert out[0, len(prompt) :].tolist() == response


def test_samples_stand_prompt_after_prompt_and_greedy_ones_are_alike(tiny):
    one = respond(tiny, PROMPTS, stop_id=0, max_new_tokens=5, do_sample=False)
    three = respond(tiny, PROMPTS, stop_id=0, samples=3, max_new_tokens=5, do_sample=False)
    assert three == [response for response in one for _ in range(3)]


def test_a_response_ends_at_the_first_of_several_stop_ids(tiny):
    whole = respond(tiny, PROMPTS, stop_id=0, max_new_tokens=12, do_sample=False)
    stops = [0, whole[0][3], whole[2][5]]
    cut = [ids[: min([n for n, each in enumerate(ids, 1) if each in stops], default=len(ids))] for ids in whole]
    assert respond(tiny, PROMPTS, stop_id=stops, max_new_tokens=12, do_sample=False) == cut != whole


def trl_loss_and_gradients(folder, tmp_path, advantage):
    """What GRPOTrainer makes of the same completions, its prompts padded on the left and read row by row."""
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    config = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=3, num_generations=3, temperature=0.7, loss_type="dapo",
        beta=0.0, use_cpu=True, bf16=False, report_to="none", max_completion_length=5, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model, reward_funcs=lambda completions, **_: [0.0] * len(completions), args=config,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * 3), processing_class=tokenizer,
    )  # fmt: skip
    trainer.current_gradient_accumulation_steps = 1
    widest = max(map(len, PROMPTS))
    before = torch.tensor([[0] * (widest - len(p)) + p for p in PROMPTS])
    after = torch.tensor([r + [0] * (5 - len(r)) for r in RESPONSES])
    lengths = torch.tensor([len(r) for r in RESPONSES])
    inputs = {
        "prompt_ids": before,
        "prompt_mask": (before > 0).long(),
        "completion_ids": after,
        "completion_mask": (torch.arange(5) < lengths[:, None]).long(),
        "advantages": advantage,
        "num_items_in_batch": lengths.sum(),
    }
    model.train()
    loss = trainer._compute_loss(model, inputs)
    loss.backward()
    return loss.item(), {name: weight.grad for name, weight in model.named_parameters()}


def test_a_step_has_the_loss_and_the_gradients_of_trl_on_the_same_completions(tiny_folders, tmp_path):
    advantage = torch.tensor([1.2, -0.7, -0.5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, gradients = trl_loss_and_gradients(tiny_folders[0], tmp_path, advantage)
    ours = AutoModelForCausalLM.from_pretrained(tiny_folders[0])
    how = GrpoSettings(steps=1, rows=2, temperature=0.7)
    assert backward(ours, PROMPTS, RESPONSES, advantage, how) == pytest.approx(expected, abs=1e-6)
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(
            weight.grad, gradients[name], atol=1e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_a_response_without_an_advantage_adds_nothing_to_the_gradient_but_counts_in_the_mean(tiny_folders):
    found = []
    for prompts, responses, advantage in (
        (PROMPTS, RESPONSES, [1.0, 0.0, -1.0]),
        (PROMPTS[::2], RESPONSES[::2], [1.0, -1.0]),
    ):
        model = AutoModelForCausalLM.from_pretrained(tiny_folders[0])
        backward(model, prompts, responses, torch.tensor(advantage), GrpoSettings(steps=1))
        found.append(model.get_input_embeddings().weight.grad)
    torch.testing.assert_close(found[0] * 9, found[1] * 8, atol=1e-5, rtol=1e-4)  # 9 and 8 response tokens


def test_advantages_compare_a_reward_with_its_own_group():
    got = advantages(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 1.0]), samples=3)
    assert got[:3].tolist() == pytest.approx([2 / 3 / 3**-0.5, -1 / 3 / 3**-0.5, -1 / 3 / 3**-0.5], rel=1e-3)
    assert got[3:].tolist() == pytest.approx([-2 / 3 / 3**-0.5, 1 / 3 / 3**-0.5, 1 / 3 / 3**-0.5], rel=1e-3)
    assert advantages(torch.ones(3), samples=3).tolist() == [0, 0, 0]


def test_a_reward_is_for_the_right_answer_in_the_last_box_of_a_response_that_ended():
    def reward(text, ended=True):
        with Grader() as grader:
            return exact_answer(grader)([Sampled([1], text, ended, "12")])[0]

    assert reward("so \\boxed{12}.") == 1.0
    assert reward("\\boxed{3}, no: \\boxed{12}") == 1.0
    assert reward("\\boxed{12}, no: \\boxed{3}") == 0.0
    assert reward("12") == 0.0
    assert reward("so \\boxed{12}.", ended=False) == 0.0


# ---- runs


def draw(step):
    return [Task([*SHARED, 20 + step, 30], "1"), Task([*SHARED, 21 + step], "2")]


def even(sampled):
    """A reward that random weights can earn."""
    return [float(sum(it.ids) % 2 == 0) for it in sampled]


def trained(folders, out, settings=QUICK):
    run = Training.open(str(folders[0]), settings, out, torch.float32, calls_base="owner/base")
    run.run(draw, even)
    return run


def test_a_run_of_two_steps_leaves_a_log_and_an_adapter_that_peft_reads(tiny_folders, tmp_path):
    trained(tiny_folders, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert {"reward", "length", "cut", "loss", "grad_norm", "seconds"} <= lines[0].keys()
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert any(weight.any() for name, weight in weights.items() if "lora_B" in name)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folders[0]), tmp_path / "adapter")
    assert adapted.peft_config["default"].base_model_name_or_path == "owner/base"


def test_a_run_that_was_stopped_goes_on_to_the_same_weights_and_log(tiny_folders, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    trained(tiny_folders, whole)
    trained(tiny_folders, halves, GrpoSettings(**{**QUICK.__dict__, "steps": 1}))
    with (halves / LOG).open("a") as log:  # a line of a step that was cut off before its state was written
        log.write('{"step": 2}\n')
    trained(tiny_folders, halves)
    one, two = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (whole, halves))
    assert all(torch.equal(one[name], two[name]) for name in one)
    logs = [[json.loads(line) | {"seconds": 0} for line in (f / LOG).read_text().splitlines()] for f in (whole, halves)]
    assert logs[0] == logs[1]


def test_a_run_of_other_settings_is_not_gone_on_with(tiny_folders, tmp_path):
    trained(tiny_folders, tmp_path)
    with pytest.raises(BadInput, match="other settings"):
        trained(tiny_folders, tmp_path, GrpoSettings(**{**QUICK.__dict__, "rate": 1e-3}))


def test_a_coin_is_fair_repeats_itself_and_does_not_look_at_the_answer():
    sampled = [Sampled([n], "\\boxed{1}", True, "1") for n in range(4000)]
    rewards = coin_flip(1)(sampled)
    assert set(rewards) == {0.0, 1.0}
    assert abs(sum(rewards) / 4000 - 0.5) < 4 * 0.5 / 4000**0.5  # four deviations
    assert coin_flip(1)(sampled) == rewards != coin_flip(2)(sampled)
    assert coin_flip(1)([it._replace(text="", ended=False) for it in sampled]) == rewards
    same = [Sampled([7], "", True, "1")] * 64
    assert len(set(coin_flip(1)(same))) == 2  # equal responses are tossed for apart


def test_the_rate_falls_by_equal_parts_to_nothing():
    falling = GrpoSettings(steps=4, rate=0.8, falls_over=4)
    assert [falling.rate_at(step) for step in (1, 2, 3, 4, 5)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    assert GrpoSettings(steps=4, rate=0.8).rate_at(4) == 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_an_adapter_samples_merged_and_its_base_comes_back_bit_for_bit(tiny_folders, monkeypatch, dtype):
    network = AutoModelForCausalLM.from_pretrained(tiny_folders[0], dtype=dtype)
    config = LoraConfig(r=2, target_modules=["q_proj", "o_proj"], init_lora_weights=False)
    adapted = get_peft_model(network, config).eval()
    before = {name: weight.clone() for name, weight in adapted.state_dict().items()}
    ids = torch.tensor([PROMPTS[0]])
    apart = adapted(ids).logits
    with merged(adapted):  # on a processor nothing is done
        assert torch.equal(adapted(ids).logits, apart)
    monkeypatch.setattr(type(adapted), "device", torch.device("cuda"), raising=False)
    with merged(adapted):
        inside = adapted(ids).logits
        changed = {name for name, weight in adapted.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == {name for name in before if name.endswith("base_layer.weight")}
    assert not torch.equal(inside, apart)
    if dtype == torch.float32:  # in bfloat16 the merged weights are rounded
        torch.testing.assert_close(inside, apart, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(weight, before[name]) for name, weight in adapted.state_dict().items())
    with adapted.disable_adapter():  # the adapter is what differs, and it is on again
        assert not torch.equal(adapted(ids).logits, apart)
    assert torch.equal(adapted(ids).logits, apart)
