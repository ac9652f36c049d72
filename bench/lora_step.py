"""The LoRA step of bench/lora-step.ts in PyTorch + PEFT: the same block, weights, batch and optimiser.

Reads a line with the task, then, for each line {"budget": seconds}, steps for that long and prints {"loss", "seconds"}.
The head and the loss only where there are labels, and no gradient for what is frozen. `torch.compile` on request.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch_glm import GLM


def main():
    task = json.loads(sys.stdin.readline())
    shape, lora = task["shape"], task["lora"]
    model = GLM(shape, places=shape["seq"])
    model.load_state_dict(load_file(f"{task['folder']}/model.safetensors"))
    settings = LoraConfig(
        r=lora["r"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=lora["targets"]
    )
    model = get_peft_model(model, settings)
    set_peft_model_state_dict(model, load_file(f"{task['folder']}/start.safetensors"))
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
