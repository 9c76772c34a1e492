"""A tiny Qwen2 checkpoint as a GGUF file, some of its matrices in 8 bits, and the network that it stands for."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers.": "blk.",
}


def write_gguf(folder: Path, file: Path, without: str | None = None):
    """Write the checkpoint of a folder as GGUF; returns the network that the file holds, dequantised by gguf itself."""
    network = AutoModelForCausalLM.from_pretrained(folder)
    config, writer = network.config, gguf.GGUFWriter(file, "qwen2")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, folder)
    held = {}
    for name, weight in network.state_dict().items():
        values = weight.float().numpy()
        eight_bits = values.ndim == 2 and values.shape[1] % 32 == 0
        kind = gguf.GGMLQuantizationType.Q8_0 if eight_bits else gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(values, kind)
        held[name] = torch.from_numpy(np.array(gguf.quants.dequantize(stored, kind)).reshape(values.shape))
        if name != without:
            writer.add_tensor(_named(name), stored, raw_shape=stored.shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    network.load_state_dict(held)
    return network.eval()


def _named(name: str) -> str:
    for ours, theirs in _NAMES.items():
        name = name.replace(ours, theirs)
    return name


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())["model"]
    tokens = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(sorted(tokens, key=tokens.get))
    writer.add_token_types([3 if i == 0 else 1 for i in range(len(tokens))])  # id 0 is the control token
    writer.add_token_merges([" ".join(merge) for merge in content["merges"]])
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
