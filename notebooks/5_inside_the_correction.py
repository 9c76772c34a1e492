# %% [markdown]
# # Inside the correction
#
# Where in the network is the different choice made, and how large is the change? The models are opened up with
# [nnsight](https://nnsight.net) at positions where they disagree, and at as many unchanged positions of the same
# entropy.

# %%
import rlprobe as rp

run = rp.disagree(limit=40, out="../runs/notebooks")

# %% [markdown]
# ## The logit lens
#
# Each layer's residual stream, read by the model's own final norm and head: from which layer on does the final choice
# lead, and stay in the lead?

# %%
found = rp.lens(run, points=60)
found.tables["lens_choices"]

# %%
found.figures["lens"]

# %% [markdown]
# Is the difference in the trunk, or in the final norm and head? Both trunks through both heads:

# %%
found.tables["trunk_and_head"]

# %% [markdown]
# ## Patching
#
# RL's activation is put into the base, one layer and one place at a time. The effect is the share of the difference
# in log-probability between the two choices that this restores, as a ratio of means; the control takes its activation
# from another problem.

# %%
patched = rp.patch(run, points=40)
patched.tables["patching"]

# %%
patched.figures["patching"]

# %%
patched.figures["heads"]

# %% [markdown]
# Flips say more than shares: an activation from any other place takes the base's evidence away, and a gap narrows for
# that alone. What a patch flips beyond its control, with the activation from another problem:

# %%
flips = patched.tables["patching"].query("`activation from` == 'same place' and `put in at` == 'decision point'")
flips[["site", "layer", "flips", "flips minus control", "breaks"]]

# %% [markdown]
# ## Steering
#
# Is the correction one direction? The mean difference of the two residual streams at the disagreements of half of the
# problems is added to the base while it answers the others, all along or only where the base is unsure, beside random
# directions of the same norm.

# %%
steered = rp.steer(run, coefficients=[1, 2, 4], directions=2, tau=0.6, limit=20)
steered.tables["steering"]

# %%
steered.figures["steering"]

# %% [markdown]
# ## What RL changed in the weights
#
# No forward pass here: the two sets of files are compared. The stable rank and the rank that holds 90 % of the energy
# say whether the update is low-dimensional.

# %%
changed = rp.weights(out="../runs/notebooks-weights")
changed.tables["weights_by_kind"]

# %%
changed.figures["weights"]

# %% [markdown]
# How few directions are enough? Each matrix keeps the best rank-r part of its change, and the model so made answers the
# same problems. Is the accuracy there before RL's own choices are?

# %%
cut = rp.weights(ranks=[1, 4, "full"], limit=40, out="../runs/notebooks")
cut.tables["low_rank_answers"]

# %%
cut.figures["low_rank"]
