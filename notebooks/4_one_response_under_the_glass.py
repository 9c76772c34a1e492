# %% [markdown]
# # One response under the glass
#
# A response with every token marked: reranked tokens have a line below them, shifted ones a box with a double line, and
# colour says the same again. Point at a token for what both models thought there. The page that
# `rlprobe report` writes shows every response of a run in this way, with its interventions beside it.

# %%
import rlprobe as rp

found = rp.disagree(limit=40, out="../runs/notebooks")

# %% [markdown]
# Take a problem that RL repaired, and whose first disagreement comes early:

# %%
differing = found.tokens.query("arm == 'rl' and `class` != 'unchanged'")
differing.groupby("problem_id")["position"].agg(["count", "min"]).sort_values("min").head()

# %%
problem = differing.sort_values("position", kind="stable")["problem_id"].iloc[0]
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
# And in numbers, around the first disagreement:

# %%
rows = found.tokens.query("arm == 'rl' and problem_id == @problem").sort_values("position")
first = rows.loc[rows["class"] != "unchanged", "position"].min()
near = rows[rows["position"].between(first - 4, first + 4)]
near[["position", "token", "class", "logprob_base", "logprob_rl", "entropy_base", "kl_rl_base"]].round(3)
