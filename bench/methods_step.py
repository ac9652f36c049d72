"""A training step of each method of bench/methods.ts in PyTorch: LoRA and AdaLoRA by PEFT, a prefix as the published code has it,
and the model's own parameters. Block, weights, batch and optimiser are those of the other side.

Reads a line with the task, then, for each line {"budget": seconds}, steps for that long and prints {"loss", "seconds"}.
"""

import json
import sys
import time
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from peft import AdaLoraConfig, LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from torch_glm import GLM, Attention, rotate


class WithLoss(GLM):
    """Its loss where AdaLoRA looks for it, to add what keeps singular vectors orthogonal."""

    def forward(self, ids, chosen, targets):
        return SimpleNamespace(loss=super().forward(ids, chosen, targets))


class PrefixedAttention(Attention):
    """`prefix`: keys and values [1, groups, length, size] before a row's own, unrotated, set before each run."""

    def forward(self, x, cos, sin, cache, begin):
        batch, seq, _ = x.shape
        sizes = [self.heads * self.size, self.groups * self.size, self.groups * self.size]
        q, k, v = (
            part.view(batch, seq, -1, self.size).transpose(1, 2) for part in self.query_key_value(x).split(sizes, -1)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        before = self.prefix[0].shape[2]
        k, v = (torch.cat((own.expand(batch, -1, -1, -1), x), 2) for own, x in zip(self.prefix, (k, v)))
        visible = torch.ones(seq, before + seq, dtype=torch.bool).tril(before)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, enable_gqa=True)
        return self.dense(mixed.transpose(1, 2).reshape(batch, seq, -1))


class PrefixEncoder(nn.Module):
    def __init__(self, shape, length, projection):
        super().__init__()
        self.sizes = (length, 2 * shape["layers"], shape["groups"], shape["headSize"])
        width = 2 * shape["layers"] * shape["groups"] * shape["headSize"]
        self.embedding = nn.Embedding(length, width)
        self.trans = None
        if projection:
            self.trans = nn.Sequential(
                nn.Linear(width, shape["hidden"]), nn.Tanh(), nn.Linear(shape["hidden"], width)
            )

    def forward(self):
        made = self.embedding.weight if self.trans is None else self.trans(self.embedding.weight)
        return made.view(self.sizes).permute(1, 2, 0, 3).unsqueeze(1)


class Prefixed(nn.Module):
    def __init__(self, model, shape, method):
        super().__init__()
        self.model = model
        model.requires_grad_(False)
        model.transformer.prefix_encoder = PrefixEncoder(shape, method["length"], method["projection"])
        for layer in model.transformer.encoder.layers:
            layer.self_attention.__class__ = PrefixedAttention

    def forward(self, ids, chosen, targets):
        parts = self.model.transformer.prefix_encoder()
        for i, layer in enumerate(self.model.transformer.encoder.layers):
            layer.self_attention.prefix = (parts[2 * i], parts[2 * i + 1])
        return self.model(ids, chosen, targets)


def adapted(model, task):
    """The model with the method laid over it, beginning with the given values."""
    method, start = task["method"], load_file(f"{task['folder']}/start.safetensors")
    if method["method"] == "pTuning":
        model = Prefixed(model, task["shape"], method)
        model.model.load_state_dict(start, strict=False)
        return model
    if method["method"] in ("lora", "adaLora"):
        common = {
            "lora_alpha": method["alpha"],
            "lora_dropout": method["dropout"],
            "target_modules": method["targets"],
        }
        if method["method"] == "lora":
            settings = LoraConfig(r=method["r"], **common)
        else:
            settings = AdaLoraConfig(
                **common,
                **{"target_r": method["r"], "init_r": method["initR"], "tinit": method["tinit"]},
                **{"tfinal": method["tfinal"], "deltaT": method["deltaT"], "total_step": method["totalStep"]},
                **{"beta1": method["beta1"], "beta2": method["beta2"], "orth_reg_weight": method["orthogonality"]},
            )
        model = get_peft_model(model, settings)
        set_peft_model_state_dict(model, start)
        return model
    # Of the model's own parameters, those that begin with values here are those that train.
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in start)
    return model


def main():
    task = json.loads(sys.stdin.readline())
    shape, ada = task["shape"], task["method"]["method"] == "adaLora"
    model = (WithLoss if ada else GLM)(shape, places=shape["seq"])
    model.load_state_dict(load_file(f"{task['folder']}/model.safetensors"))
    model = adapted(model, task)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=task["lr"], fused=True)
    ids = torch.tensor(task["batch"]["inputIds"])
    labels = torch.tensor(task["batch"]["labels"])
    following = F.pad(labels[:, 1:], (0, 1), value=-100).flatten()
    chosen = (following != -100).nonzero().squeeze(-1)
    targets = following[chosen]
    taken = 0

    def step():
        nonlocal taken
        # The wrapper around it goes past AdaLoRA's own addition to the loss.
        loss = model.base_model(ids, chosen, targets).loss if ada else model(ids, chosen, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if ada:
            model.base_model.update_and_allocate(taken)
        optimizer.zero_grad(set_to_none=True)
        taken += 1
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
