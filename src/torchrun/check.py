"""What a node has: read from standard input by its Python, before a job starts there. Prints one line of JSON.

    python3 - JOB CHECKPOINT < check.py
"""

import importlib.metadata
import json
import os
import socket
import sys


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def gpus():
    try:
        import torch

        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def free_port():
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]


job, checkpoint = sys.argv[1:3]
answer = {
    "host": socket.gethostname(),
    "python": sys.version.split()[0],
    "versions": {name: version(name) for name in ("torch", "transformers", "peft", "safetensors", "deepspeed")},
    "gpus": gpus(),
    "job": os.path.exists(os.path.join(job, "job.json")),
    "checkpoint": os.path.exists(os.path.join(checkpoint, "config.json")),
    "port": free_port(),
}
print("glmlab:" + json.dumps(answer), flush=True)
