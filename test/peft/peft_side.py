"""PEFT's side of the tests beside it: makes a small random GLM and adapters of it, or reads adapters that were made elsewhere.

    peft_side.py make FOLDER CASES.json      FOLDER/model, FOLDER/theirs/CASE and FOLDER/theirs.safetensors
    peft_side.py read FOLDER ADAPTERS.json   FOLDER/read.safetensors

CASES has {"model": settings, "ids": rows, "cases": [{name, peft, changes, steps}]}, ADAPTERS {"ids": rows, "folders": {name: folder}}.
The files with logits have float32 [rows, tokens, vocabulary] by name.
"""

import json
import os
import sys

import torch
from peft import PeftModel, get_peft_config, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GlmConfig, GlmForCausalLM

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)


def base(folder):
    return AutoModelForCausalLM.from_pretrained(os.path.join(folder, "model"), dtype=torch.float32).eval()


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor(ids)).logits.float().contiguous()


def make_model(folder, settings):
    torch.manual_seed(1)
    model = GlmForCausalLM(GlmConfig(**settings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
        # Norms multiply.
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.add_(1)
    model.save_pretrained(os.path.join(folder, "model"))


def train(model, steps, ids):
    """As a loop by hand trains: PEFT's AdaLoRA must be told of each step."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    rows = torch.tensor(ids)
    for step in range(steps):
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
        if hasattr(model.base_model, "update_and_allocate"):
            model.base_model.update_and_allocate(step)
        optimizer.zero_grad()


def to_bin(place):
    path = os.path.join(place, TENSORS)
    torch.save(load_file(path), os.path.join(place, "adapter_model.bin"))
    os.remove(path)


def to_bfloat16(place):
    path = os.path.join(place, TENSORS)
    tensors = {name: value.to(torch.bfloat16) for name, value in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def trim(place):
    """Leaves what has no default in PEFT."""
    path = os.path.join(place, CONFIG)
    write_json(path, {key: value for key, value in read_json(path).items() if key in ("peft_type", "target_modules")})


def older_names(place):
    """Before PEFT 0.6, nothing lay between a module and its own bias."""
    path = os.path.join(place, TENSORS)
    tensors = {name.replace(".base_layer.bias", ".bias"): value for name, value in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


CHANGES = {"bin": to_bin, "bfloat16": to_bfloat16, "trim": trim, "older-names": older_names}
# PEFT itself does not read them any more: logits are those of before.
UNREAD = {"older-names"}


def make_case(folder, case, ids):
    torch.manual_seed(7)
    model = get_peft_model(base(folder), get_peft_config(dict(case["peft"])))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * case.get("noise", 0.2))
    if case.get("steps"):
        train(model, case["steps"], ids)
    model.eval()
    place = os.path.join(folder, "theirs", case["name"])
    model.save_pretrained(place)
    before = logits(model, ids)
    changes = case.get("changes", [])
    for change in changes:
        CHANGES[change](place)
    # What PEFT reads is what counts.
    return before if UNREAD & set(changes) else read_adapter(folder, place, ids)


def read_adapter(folder, place, ids):
    return logits(PeftModel.from_pretrained(base(folder), place).eval(), ids)


def main(action, folder, message):
    message = read_json(message)
    ids = message["ids"]
    if action == "make":
        make_model(folder, message["model"])
        values = {case["name"]: make_case(folder, case, ids) for case in message["cases"]}
        values["base"] = logits(base(folder), ids)
        save_file(values, os.path.join(folder, "theirs.safetensors"))
    else:
        values = {}
        for name, place in message["folders"].items():
            published = os.path.join(place, "pytorch_model.bin")
            if os.path.exists(published):
                # As ChatGLM's scripts load one.
                for key, value in torch.load(published, weights_only=True, map_location="cpu").items():
                    values[f"{name}: {key}"] = value.contiguous()
            else:
                values[name] = read_adapter(folder, place, ids)
        save_file(values, os.path.join(folder, "read.safetensors"))


if __name__ == "__main__":
    main(*sys.argv[1:])
