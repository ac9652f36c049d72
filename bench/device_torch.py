"""What bench/device.ts measures of its models, in PyTorch: random weights of the same shape, computed eagerly.

Needs nothing but torch. Prints a line with torch's version, or with why there is none; reads a line with the task; prints a
line with where it ran and the seconds of every run. On a GPU weights are float16, and LoRA's float32, as PEFT has them.
"""

import json
import sys
import time

try:
    import torch
# A library of its own that cannot be loaded is an OSError.
except (ImportError, OSError) as error:
    print(json.dumps({"missing": str(error)}))
    sys.exit()

import torch.nn.functional as F
from torch import nn
from torch_glm import GLM


class LoRA(nn.Module):
    def __init__(self, base, rank, alpha):
        super().__init__()
        like = {"dtype": torch.float32, "device": base.weight.device}
        self.base, self.scale = base, alpha / rank
        self.a = nn.Parameter(torch.empty(rank, base.in_features, **like).uniform_(-0.02, 0.02))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank, **like))

    def forward(self, x):
        added = F.linear(F.linear(x.to(self.a.dtype), self.a), self.b)
        return (self.base(x) + self.scale * added).to(x.dtype)


def add_lora(model, lora):
    """Lays it over every module whose name is a target."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in lora["targets"]:
                setattr(parent, name, LoRA(child, lora["r"], lora["alpha"]))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def random_ids(model, rows, tokens):
    return torch.randint(model.shape["vocabulary"] // 2, (rows, tokens), device=model.cos.device)


def following(model, ids, cache, begin):
    """The likeliest token after each row, [rows, 1]; it is waited for."""
    seq = ids.shape[1]
    token = model.logits(ids, slice(seq - 1, None, seq), cache, begin).argmax(-1, keepdim=True)
    token.tolist()
    return token


@torch.inference_mode()
def decoding(model, task, rows):
    """Seconds of each step of greedy answers; a step is a token of every row."""
    until = time.perf_counter() + task["seconds"]
    cache = model.cache(rows)
    token, steps = following(model, random_ids(model, rows, task["context"]), cache, 0), []
    for i in range(task["answer"] - 1):
        begun = time.perf_counter()
        token = following(model, token, cache, task["context"] + i)
        ended = time.perf_counter()
        if i >= task["warm"]:
            steps.append(ended - begun)
        if len(steps) >= task["least"] and ended > until:
            break
    return steps


@torch.inference_mode()
def reading(model, task):
    """Seconds from a prompt to its first token, each time."""
    ids = random_ids(model, 1, task["prompt"])
    read = lambda: following(model, ids, model.cache(1), 0)
    read()
    return timed(read, task["seconds"])


def training(model, task):
    """Seconds of each LoRA step: forward, backward, AdamW."""
    trained = add_lora(model, task["lora"])
    optimizer = torch.optim.AdamW(trained, lr=task["optimizer"]["lr"])
    ids = random_ids(model, task["batch"]["batch"], task["batch"]["seq"])
    # Every token but the first of a row is predicted by the one before.
    places = torch.arange(ids.numel(), device=ids.device).view(ids.shape)
    chosen, targets = places[:, :-1].flatten(), ids[:, 1:].flatten()
    synchronize = getattr(torch, ids.device.type).synchronize

    def step():
        loss = model(ids, chosen, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, task["optimizer"]["clip"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        synchronize()

    step()
    step()
    return timed(step, task["seconds"])


def timed(run, budget):
    """Seconds of each run; at least one is made, more until `budget` seconds have passed."""
    seconds, started = [], time.perf_counter()
    while not seconds or time.perf_counter() - started < budget:
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return seconds


def measured(task):
    device, title = place_for(task["kind"])
    dtype = torch.float32 if device == "cpu" else torch.float16
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    places = max(task["context"] + task["answer"], task["prompt"], task["batch"]["seq"])
    with torch.device(device):
        model = GLM(task["shape"], places).requires_grad_(False)
    seconds = {
        "alone": decoding(model, task, 1),
        "together": decoding(model, task, task["together"]),
        "prompt": reading(model, task),
        # Last: LoRA stays.
        "train": training(model, task),
    }
    return {"device": device, "title": title, "dtype": str(dtype).removeprefix("torch."), "seconds": seconds}


def place_for(kind):
    if kind == "gpu" and torch.cuda.is_available():
        return "cuda", torch.cuda.get_device_name()
    if kind == "gpu" and torch.backends.mps.is_available():
        return "mps", "Metal"
    return "cpu", f"{torch.get_num_threads()} threads"


print(json.dumps({"version": torch.__version__}), flush=True)
line = sys.stdin.readline()
if line:
    print(json.dumps(measured(json.loads(line))), flush=True)
