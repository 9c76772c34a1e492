# %% [markdown]
# # Which signal finds them?
#
# Entropy says where the base is unsure, a divergence how far the two models are apart, and the signed change
# Δ log p = log p_RL − log p_base which of the two likes a token better. On the Direction of RLVR Updates
# ([arXiv 2603.22117](https://arxiv.org/abs/2603.22117)) holds that the sign is what the others lack.
#
# ## What Δ log p looks like
#
# No model is needed for this: it reads the token table of the first notebook's run.

# %%
import rlprobe as rp

run = rp.disagree(limit=40, out="../runs/notebooks")
found = rp.direction(run)
found.tables["tails"]

# %% [markdown]
# A token far below zero is one that RL makes rarer, one far above zero one that RL promotes. The papers find two tails:
# tokens the base wrote lie in the lower one, tokens RL wrote in the upper one.

# %%
found.figures["direction"]

# %% [markdown]
# ## Who wrote this token?
#
# The area under the ROC curve of each signal for telling the base's tokens from RL's, over all positions and from the
# first divergence of the two answers on (what comes before is in both). Entropy and the divergences do not look at the
# token, so there is little that they could know.

# %%
found.tables["authorship"]

# %% [markdown]
# The words behind the tails:

# %%
found.tables["words"].head(10)

# %% [markdown]
# How entropy and divergence are spread in the two texts (left, middle), and how well each signal tells who wrote a
# token (right, with 95 % intervals): only Δ log p does, and only where it is large.

# %%
found.figures["signals"]

# %% [markdown]
# ## At equal edits
#
# Finding is one thing, causing another. Each signal gates RL's token into the base's text, with its threshold chosen on
# one half of the problems so that a given share of the oracle's edits is made; the other half is graded. That is the
# comparison the papers leave out: theirs count edits that change nothing.

# %%
compared = rp.signals(signals=["delta", "entropy", "random"], targets=[0.5], limit=40, out="../runs/notebooks")
compared.tables["equal-edits"]

# %% [markdown]
# Twenty problems resolve nothing; `python -m experiments.signals` does this with five hundred, five doses and six
# signals, greedy and sampled. The differences come with paired intervals:

# %%
compared.tables["signal-differences"]
