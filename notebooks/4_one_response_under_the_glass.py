# %% [markdown]
# # One response under the glass
#
# A response with every token marked: reranked tokens have a line below them, shifted ones a box with a double line, and
# colour says the same again. What follows the answer is pale; dots and arrows stand for whitespace. Point at a token,
# or go to it with the Tab key, for what both models thought there. The page that `rlprobe report` writes shows every
# response of a run in this way.

# %%
import rlprobe as rp

found = rp.disagree(limit=40, out="../runs/notebooks")

# %% [markdown]
# Take a problem that RL repaired: the base's answer is wrong, RL's is right. Of these, the one with
# the fewest disagreements along the base's answer:

# %%
verdicts = found.grades.query("draw == 0").pivot(index="problem_id", columns="arm", values="status_last")
repaired = verdicts.query("base == 'wrong' and rl == 'correct'").index
differing = found.tokens.query("arm == 'base' and `class` != 'unchanged' and problem_id in @repaired")
sparsest = differing.groupby("problem_id")["position"].agg(["count", "min"]).sort_values(["count", "min"])
sparsest.head()

# %%
problem = sparsest.index[0]
found.problems.set_index("problem_id").loc[problem, "question"]

# %% [markdown]
# The base's answer, by class:

# %%
found.view(problem, "base")

# %% [markdown]
# RL's answer to the same problem:

# %%
found.view(problem, "rl")

# %% [markdown]
# The same tokens by the base's entropy, and by the signed Δ log p (one colour for what RL made likelier, the other for
# what it made rarer):

# %%
found.view(problem, "rl", by="entropy_base")

# %%
found.view(problem, "rl", by="delta")

# %% [markdown]
# One of the second notebook's arms: the base decodes, and wherever its entropy is above 0.6 nats RL's choice is
# written. A dotted line above a token says that the gate fired there, a frame that the token was changed, and the
# struck-out one before it is what the base would have said.

# %%
arms = ["oracle", "first:1", "entropy:0.6,1.2", "inverse:0.6,1.2", "random", "resample", "mix:0.5"]
arm = rp.intervene(modes=arms, seeds=2, limit=40, out="../runs/notebooks")
arm.view(problem, "entropy 0.6")

# %% [markdown]
# And in numbers, around the first disagreement:

# %%
rows = found.tokens.query("arm == 'rl' and problem_id == @problem").sort_values("position")
first = rows.loc[rows["class"] != "unchanged", "position"].min()
near = rows[rows["position"].between(first - 4, first + 4)]
near[["position", "token", "class", "logprob_base", "logprob_rl", "entropy_base", "kl_rl_base"]].round(3)
