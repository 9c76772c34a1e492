"""Inside the models: the logit lens, activation patching, steering, and what RL did to the weights."""
