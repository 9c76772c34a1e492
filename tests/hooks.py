"""Raw PyTorch hooks that do what rlprobe does through nnsight: what the tests compare with."""

from contextlib import ExitStack, contextmanager

import torch
from transformers import DynamicCache


def module_of(network, site, layer):
    block = network.model.layers[layer]
    return {
        "residual": block,
        "attention": block.self_attn,
        "mlp": block.mlp,
        "head": block.self_attn.o_proj,
    }[site]


def tensor_of(output):
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def hooked(network, site, layer, touch):
    """Call `touch` with the tensor of a site (a head's is the input of the output projection)."""
    module = module_of(network, site, layer)
    if site == "head":
        handle = module.register_forward_pre_hook(lambda _, inputs: touch(inputs[0]))
    else:
        handle = module.register_forward_hook(lambda _m, _i, output: touch(tensor_of(output)))
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def streams(network, ids):
    """(depths, rows, n, width): after the embedding and every layer."""
    found = []

    def keep(tensor):
        found.append(tensor.clone())

    with ExitStack() as stack:
        handle = network.model.layers[0].register_forward_pre_hook(lambda _, inputs: keep(inputs[0]))
        stack.callback(handle.remove)
        for layer in range(len(network.model.layers)):
            stack.enter_context(hooked(network, "residual", layer, keep))
        network(input_ids=ids, use_cache=False)
    return torch.stack(found)


@torch.no_grad()
def taken(network, ids, site, layer, first=0):
    """What a site holds along a text from `first` on, (n, width)."""
    found, cache = [], prefix_of(network, ids, first, 1)
    with hooked(network, site, layer, lambda tensor: found.append(tensor[0].clone())):
        read(network, ids, first, 1, cache)
    return found[0]


@torch.no_grad()
def prefix_of(network, ids, first, rows):
    """Keys and values of what lies before `first`."""
    if first == 0:
        return None
    cache = DynamicCache(config=network.config)
    network.model(input_ids=torch.tensor([ids[:first]]), past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(rows)
    return cache


@torch.no_grad()
def read(network, ids, first, rows, cache):
    """The logits at the last index, (rows, vocab), of what follows `first`."""
    here = torch.tensor([ids[first:]]).expand(rows, -1)
    hidden = network.model(input_ids=here, past_key_values=cache, use_cache=cache is not None).last_hidden_state
    return network.lm_head(hidden[:, -1])


def patched(host, donor, ids, cells, first=0, head_width=None):
    """The host's logits with each cell put in, a row a cell, all in one pass from index `first` on."""
    cache = prefix_of(host, ids, first, len(cells))
    with ExitStack() as stack:
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            columns = slice(None) if cell.head is None else slice(cell.head * head_width, (cell.head + 1) * head_width)
            given = taken(donor, ids, cell.site, cell.layer, first)[cell.start - first : cell.stop - first, columns]

            def put(tensor, row=row, cell=cell, columns=columns, given=given):
                tensor[row, cell.start - first : cell.stop - first, columns] = given

            stack.enter_context(hooked(host, cell.site, cell.layer, put))
        return read(host, ids, first, len(cells), cache)
