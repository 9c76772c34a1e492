# %% [markdown]
# # Bring your own
#
# Nothing has to have a name to be compared. Models may be in memory, problems in a DataFrame, a prompt and a gate may
# be functions of this notebook. What they are called in a run is made of their content: weights, cells, source and all
# that a function reads. So a run is gone on with by the same objects, and by no others.

# %%
import pandas as pd
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import rlprobe as rp

OUT = "../runs/own/compared"
torch.set_num_threads(1)  # so that sums are added in the same order everywhere

# %% [markdown]
# ## A model that is trained here
#
# Rejection sampling in its shortest form: of the bundled pair's answers to some problems, those that are right; and the
# base is taught them for a few steps. (That is no reinforcement learning. Any two models of one tokenizer will do.)
# So few steps teach it little: what is shown here is the way, and not a result.

# %%
taught = rp.disagree(pair="bundled", only="100-131", out="../runs/own/taught", quiet=True)
right = taught.grades.query("status_last == 'correct'").merge(taught.rollouts, on=["arm", "problem_id", "draw"])
len(right)

# %%
located = rp.pair("bundled").located
tokenizer = AutoTokenizer.from_pretrained(located.base.name)
base, tuned = (AutoModelForCausalLM.from_pretrained(located.base.name) for _ in range(2))

torch.manual_seed(0)
optimizer = torch.optim.AdamW(tuned.parameters(), lr=3e-4)
tuned.train()
for number, row in enumerate(right.sample(frac=1, random_state=0).itertuples()):
    ids = torch.tensor([[*row.prompt_ids, *row.response_ids]], dtype=torch.long)
    labels = ids.clone()
    labels[:, : len(row.prompt_ids)] = -100  # the answer is taught, not the question
    tuned(input_ids=ids, labels=labels).loss.backward()
    if number % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()

# %% [markdown]
# ## Problems and a prompt of one's own

# %%
kept = [
    (name, has, sold, given)
    for name in ("Mia", "Tom", "Ivy")
    for has in (361, 495)
    for sold in (7, 12)
    for given in (4, 20)
]
asks = "{0} has {1} coins. {0} sells {2}. {0} gives {3} to Ben. How many coins does {0} have now?"
problems = pd.DataFrame(
    {
        "id": ["-".join(map(str, each)) for each in kept],
        "question": [asks.format(*each) for each in kept],
        "answer": [has - sold - given for _, has, sold, given in kept],
    }
)
problems.head(3)


# %%
@rp.style(extract="box")
def asked(question, _):
    """As the bundled pair was trained."""
    return f"Question: {question}\nAnswer:"


found = rp.disagree(
    base=base, rl=tuned, tokenizer=tokenizer, problems=problems, style=asked, max_new_tokens=160, out=OUT, quiet=True
)
found.tables["accuracy"]

# %%
found.tables["rates"].head(4)

# %% [markdown]
# What each said to one problem, and what came of it:

# %%
found.responses(problems["id"][0])[["label", "verdict", "answer", "text"]]

# %% [markdown]
# ## A gate of one's own
#
# A gate sees both models' distributions after the arm's own prefix (`rlprobe.decoding.arms.View`), and says where the
# other model's token is written. This one fires where the base hesitates between its two best tokens and the other
# model does not. Gates combine with `&`, `|` and `~`.

# %%
LEAD = 1.0  # nats


def one_hesitates(view):
    """The base's best two are closer than LEAD, the other model's are not."""
    first, second = (view.host.topk(2).values.T, view.donor.topk(2).values.T)
    return (first[0] - first[1] < LEAD) & (second[0] - second[1] >= LEAD)


given = {"base": base, "rl": tuned, "tokenizer": tokenizer, "problems": problems, "style": asked}
given |= {"max_new_tokens": 160, "out": OUT, "quiet": True}
rp.intervene(gates=rp.gate(one_hesitates) & rp.gate("first", 2), **given)
both = rp.intervene(modes=["oracle", "entropy"], **given)
both.tables["interventions"][["arm", "accuracy", "gated", "edited"]]

# %% [markdown]
# Calls add up: the table has the arms of both. The key of an arm that is a function is made of its source and of
# the values that it reads, so with another `LEAD` it is another arm, and its responses stand beside the first ones':

# %%
LEAD = 0.25
rp.intervene(gates=one_hesitates, **given).tables["interventions"]["arm"].tolist()

# %% [markdown]
# Every call is kept with the run; those of models and problems in memory are replayed where these are given again.

# %%
rp.list_runs("../runs/own")[["run", "problems", "arms", "state"]]
