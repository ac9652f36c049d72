"""The LoRA step of bench/lora-step.ts in PyTorch + PEFT: the same block, weights, batch and optimiser.

Reads a line with the task, then, for each line {"budget": seconds}, steps for that long and prints {"loss", "seconds"}.
PyTorch at its best: fused RMSNorm and scaled dot-product attention, head and loss only where there are labels, and no
gradient for what is frozen. `torch.compile` on request.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.heads, self.groups, self.size = shape["heads"], shape["groups"], shape["headSize"]
        rows = (self.heads + 2 * self.groups) * self.size
        self.query_key_value = nn.Linear(shape["hidden"], rows)
        self.dense = nn.Linear(self.heads * self.size, shape["hidden"], bias=False)

    def forward(self, x, cos, sin):
        batch, seq, _ = x.shape
        sizes = [self.heads * self.size, self.groups * self.size, self.groups * self.size]
        q, k, v = (
            part.view(batch, seq, -1, self.size).transpose(1, 2) for part in self.query_key_value(x).split(sizes, -1)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.dense(mixed.transpose(1, 2).reshape(batch, seq, -1))


def rotate(x, cos, sin):
    """Rotates the first half of each head in interleaved pairs; x is [batch, heads, seq, size]."""
    half = x.shape[-1] // 2
    even, odd = x[..., 0:half:2], x[..., 1:half:2]
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)
    return torch.cat((turned, x[..., half:]), -1)


class MLP(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(shape["hidden"], 2 * shape["ffn"], bias=False)
        self.dense_4h_to_h = nn.Linear(shape["ffn"], shape["hidden"], bias=False)

    def forward(self, x):
        gate, up = self.dense_h_to_4h(x).chunk(2, -1)
        return self.dense_4h_to_h(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape["hidden"], eps=1e-5)
        self.self_attention = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape["hidden"], eps=1e-5)
        self.mlp = MLP(shape)

    def forward(self, x, cos, sin):
        x = x + self.self_attention(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class GLM(nn.Module):
    """Modules are named as in the checkpoint."""

    def __init__(self, shape):
        super().__init__()
        self.transformer = nn.Module()
        self.transformer.embedding = nn.Module()
        self.transformer.embedding.word_embeddings = nn.Embedding(shape["vocabulary"], shape["hidden"])
        self.transformer.encoder = nn.Module()
        self.transformer.encoder.layers = nn.ModuleList(Layer(shape) for _ in range(shape["layers"]))
        self.transformer.encoder.final_layernorm = nn.RMSNorm(shape["hidden"], eps=1e-5)
        self.transformer.output_layer = nn.Linear(shape["hidden"], shape["vocabulary"], bias=False)
        pairs = shape["headSize"] // 4
        frequencies = 10000.0 ** -(torch.arange(pairs) / pairs)
        angles = torch.outer(torch.arange(shape["seq"]), frequencies)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids, chosen, targets):
        x = self.transformer.embedding.word_embeddings(ids)
        for layer in self.transformer.encoder.layers:
            x = layer(x, self.cos, self.sin)
        x = self.transformer.encoder.final_layernorm(x.flatten(0, 1)[chosen])
        return F.cross_entropy(self.transformer.output_layer(x), targets)


def main():
    task = json.loads(sys.stdin.readline())
    shape, lora = task["shape"], task["lora"]
    model = GLM(shape)
    model.load_state_dict(load_file(f"{task['folder']}/model.safetensors"))
    settings = LoraConfig(
        r=lora["r"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=lora["targets"]
    )
    model = get_peft_model(model, settings)
    set_peft_model_state_dict(model, load_file(f"{task['folder']}/lora.safetensors"))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=task["lr"])
    ids = torch.tensor(task["batch"]["inputIds"])
    labels = torch.tensor(task["batch"]["labels"])
    following = F.pad(labels[:, 1:], (0, 1), value=-100).flatten()
    chosen = (following != -100).nonzero().squeeze(-1)
    targets = following[chosen]
    run = torch.compile(model) if task["compiled"] else model

    def step():
        loss = run(ids, chosen, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    for line in sys.stdin:
        ends = time.perf_counter() + json.loads(line)["budget"]
        first, seconds = None, []
        while first is None or time.perf_counter() < ends:
            begun = time.perf_counter()
            loss = step()
            seconds.append(time.perf_counter() - begun)
            first = loss if first is None else first
        print(json.dumps({"loss": first, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
