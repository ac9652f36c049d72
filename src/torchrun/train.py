"""What a job runs in each of its processes, under torchrun or deepspeed: takes the steps that were written down for it.

    train.py JOB        JOB is the folder that src/torchrun/job.ts writes; its comments say what the files are

The processes share each batch. The loss of a step is the mean over the labelled tokens of all its rows, however they are divided:
what glmlab takes on one machine. Only Python's own library, torch, transformers, peft and safetensors are needed, and deepspeed for ZeRO.
"""

import json
import math
import os
import shutil
import signal
import sys
import time
import traceback

import torch
import torch.distributed as dist
import torch.nn.functional as F

TENSORS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
IGNORED = -100
# Numbers of gradients that are summed over the processes in one message.
BUCKET = 2**25
# Seconds after which the values are written again while training goes on.
KEEP = 120


class Failure(Exception):
    """What a user can put right; `code` is that of glmlab's errors."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def write_json(path, value):
    """Whole or not at all."""
    aside = f"{path}.part"
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(aside, path)


class Processes:
    """The processes of the job, and which of them this is."""

    def __init__(self):
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if gpus and local >= gpus:
            raise Failure("option-invalid", f"expected a GPU for each process, got {gpus} and process {local + 1}. Name fewer processes.")
        self.device = torch.device("cuda", local) if gpus else torch.device("cpu")
        if gpus:
            torch.cuda.set_device(self.device)
        for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "29531")):
            os.environ.setdefault(name, value)
        dist.init_process_group("nccl" if gpus else "gloo")

    def sums(self, *numbers):
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(values)
        return values.tolist()

    def agree(self, wish):
        """Whether any process wishes it."""
        value = torch.tensor([1.0 if wish else 0.0], device=self.device)
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return value.item() > 0


def load_base(job, dtype):
    import transformers

    folder, family = job["checkpoint"], job["modelType"]
    # Renamed in transformers 5.
    name = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    options = {name: dtype, "low_cpu_mem_usage": True, "trust_remote_code": family == "chatglm"}
    try:
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
        except ValueError as error:
            # ChatGLM-6B's and ChatGLM2's configurations name their code under AutoModel as well, some only there.
            if "AutoModelForCausalLM" not in str(error):
                raise
            model = transformers.AutoModel.from_pretrained(folder, **options)
    except Exception as error:
        raise Failure(
            "model-invalid",
            f"{folder}: transformers {transformers.__version__} cannot load the model: {type(error).__name__}: {error}. The published code "
            "of ChatGLM-6B to ChatGLM3-6B was written for transformers 4.30 to 4.40, that of GLM-4 for 4.44: install the release that the "
            "model's page names.",
        ) from error
    model.config.use_cache = False
    return model


def with_adapter(model, job, folder):
    """The model to train, and its parameters that train, by their names in the adapter's files."""
    model.requires_grad_(False)
    wanted = job["parameters"]
    if job["form"] == "peft":
        from peft import PeftModel
        from peft.utils import get_peft_model_state_dict

        model = PeftModel.from_pretrained(model, os.path.join(folder, "adapter"), is_trainable=True)
        # The files' names belong to the parameters whose memory they show.
        places = {value.data_ptr(): name for name, value in get_peft_model_state_dict(model, save_embedding_layers=False).items()}
        trained = {places[value.data_ptr()]: value for value in model.parameters() if value.data_ptr() in places}
    else:
        from safetensors.torch import load_file

        named = dict(model.named_parameters(remove_duplicate=False))
        trained = {name: named[name] for name in wanted if name in named}
        values = load_file(os.path.join(folder, "adapter", TENSORS))
        with torch.no_grad():
            for name, parameter in trained.items():
                # In float32: what a step changes would often be lost in fewer bits.
                parameter.data = values[name].to(torch.float32)
    missing = [name for name in wanted if name not in trained]
    if missing:
        raise Failure(
            "model-invalid",
            f"{job['checkpoint']}: expected the parameters that the adapter has, but {len(missing)} of {len(wanted)} are called otherwise "
            f"or are not there, {missing[0]} first. Give the checkpoint that the adapter was made on.",
        )
    trained = {name: trained[name] for name in wanted}
    model.requires_grad_(False)
    for parameter in trained.values():
        parameter.requires_grad_(True)
    return model, trained


def groups_of(trained, settings):
    """For the optimiser: those that weight decay is for, and the others."""
    spared = set(settings["withoutDecay"])
    parts = [
        {"params": [value for name, value in trained.items() if name not in spared], "weight_decay": settings["weightDecay"]},
        {"params": [value for name, value in trained.items() if name in spared], "weight_decay": 0.0},
    ]
    return [part for part in parts if part["params"]]


def adamw(trained, settings):
    return torch.optim.AdamW(groups_of(trained, settings), lr=settings["lr"], betas=tuple(settings["betas"]), eps=settings["eps"])


class PlainStepper:
    """Gradients are summed over the processes; each has the whole model, and takes the same step."""

    def __init__(self, model, trained, settings, processes):
        self.model = model.to(processes.device)
        self.trained = trained
        self.clip = settings["clip"]
        self.optimizer = adamw(trained, settings)
        self.world = processes.world
        self.optimizer.zero_grad(set_to_none=True)

    def backward(self, share, is_last):
        """Of this process's share of the step's loss, the shares adding up to it."""
        if share.requires_grad:
            share.backward()

    def step(self, rate):
        parameters = list(self.trained.values())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.world > 1:
            for bucket in buckets([parameter.grad for parameter in parameters]):
                flat = torch.cat([grad.reshape(-1).float() for grad in bucket])
                dist.all_reduce(flat)
                at = 0
                for grad in bucket:
                    grad.copy_(flat[at : at + grad.numel()].view_as(grad))
                    at += grad.numel()
        norm = torch.norm(torch.stack([parameter.grad.float().norm() for parameter in parameters])).item()
        if not math.isfinite(norm):
            raise Failure("loss-not-finite", "the gradients: expected numbers, got NaN or infinity; the step was not taken. Lower lr, or clip (clip 1).")
        if self.clip > 0:
            factor = min(1.0, self.clip / (norm + 1e-6))
            for parameter in parameters:
                parameter.grad.mul_(factor)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def values(self):
        return {name: value.detach().float().cpu().contiguous().clone() for name, value in self.trained.items()}


def buckets(grads):
    bucket, size = [], 0
    for grad in grads:
        if bucket and size + grad.numel() > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(grad)
        size += grad.numel()
    if bucket:
        yield bucket


class ZeroStepper:
    """DeepSpeed divides what the optimiser remembers, gradients and (ZeRO 3) parameters over the processes."""

    def __init__(self, model, trained, settings, processes, folder):
        import deepspeed

        self.deepspeed = deepspeed
        self.trained = trained
        config = read_json(os.path.join(folder, "deepspeed.json"))
        # DeepSpeed divides each loss by these two; ours are shares that add up.
        self.scale = processes.world * config["gradient_accumulation_steps"]
        self.engine, self.optimizer, _, _ = deepspeed.initialize(
            model=model, optimizer=adamw(trained, settings), config=config, dist_init_required=False
        )
        self.model = self.engine

    def backward(self, share, is_last):
        self.engine.set_gradient_accumulation_boundary(is_last)
        if not share.requires_grad:
            # Every process must take part in every backward pass.
            share = share + sum(value.sum() for value in self.trained.values()) * 0.0
        self.engine.backward(share * self.scale)

    def step(self, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.engine.step()
        norm = self.engine.get_global_grad_norm()
        return float(norm) if norm is not None else float("nan")

    def values(self):
        values = {}
        for name, parameter in self.trained.items():
            with self.deepspeed.zero.GatheredParameters([parameter]):
                values[name] = parameter.detach().float().cpu().contiguous().clone()
        return values


class Run:
    def __init__(self, folder):
        self.folder = folder
        self.job = read_json(os.path.join(folder, "job.json"))
        self.settings = self.job["settings"]
        self.is_asked_to_end = False
        signal.signal(signal.SIGTERM, self.end)
        self.processes = Processes()
        self.rows = read_lines(os.path.join(folder, "rows.jsonl"))
        self.validation = read_lines(os.path.join(folder, "validation.jsonl"))
        self.plan = read_lines(os.path.join(folder, "steps.jsonl"))
        torch.manual_seed(self.settings["seed"])
        self.dtype = self.chosen_dtype()
        model, self.trained = with_adapter(load_base(self.job, self.dtype), self.job, folder)
        if self.settings.get("gradientCheckpointing"):
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if self.job["zero"]:
            self.stepper = ZeroStepper(model, self.trained, self.settings, self.processes, folder)
        else:
            self.stepper = PlainStepper(model, self.trained, self.settings, self.processes)
        self.kept_at = time.monotonic()

    def end(self, *_):
        """Asked by the system (a cluster that needs its nodes): as if by a user."""
        self.is_asked_to_end = True

    def chosen_dtype(self):
        name = self.settings["dtype"]
        if name == "auto":
            fits = self.processes.device.type == "cuda" and torch.cuda.is_bf16_supported()
            return torch.bfloat16 if fits else torch.float32
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]

    def emit(self, **event):
        if self.processes.rank != 0:
            return
        line = json.dumps({name: readable(value) for name, value in event.items()}, ensure_ascii=False)
        with open(os.path.join(self.folder, "metrics.jsonl"), "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def loss_sum(self, rows):
        """Cross-entropies of this process's rows, added up, in float32."""
        if not rows:
            return torch.zeros((), device=self.processes.device)
        longest = max(len(row["ids"]) for row in rows)
        pad = self.job["pad"]
        ids = torch.tensor([row["ids"] + [pad] * (longest - len(row["ids"])) for row in rows], device=self.processes.device)
        labels = torch.tensor(
            [row["labels"] + [IGNORED] * (longest - len(row["labels"])) for row in rows], device=self.processes.device
        )
        with torch.autocast(self.processes.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            # Rows end in what is filled up, which no token of theirs sees: no mask is needed.
            output = self.stepper.model(input_ids=ids, use_cache=False)
        logits = output[0] if isinstance(output, tuple) else output.logits
        logits = logits[:, :-1].float()
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=IGNORED, reduction="sum")

    def own(self, rows):
        return rows[self.processes.rank :: self.processes.world]

    def take(self, step, plan):
        begun = time.monotonic()
        parts = [[self.rows[i] for i in part] for part in plan["parts"]]
        tokens = sum(labelled(row) for part in parts for row in part)
        self.stepper.model.train()
        own_sum = 0.0
        for i, part in enumerate(parts):
            place = self.settings["seed"] + step * self.settings["accumulate"] + i
            torch.manual_seed(place * self.processes.world + self.processes.rank)
            loss = self.loss_sum(self.own(part))
            own_sum += loss.item()
            self.stepper.backward(loss / tokens, i == len(parts) - 1)
        loss = self.processes.sums(own_sum)[0] / tokens
        if not math.isfinite(loss):
            raise Failure(
                "loss-not-finite",
                f"training: expected a finite loss after step {step}, got {loss}. Lower the learning rate (now {self.settings['lr']}) or check the data.",
            )
        # Not before the loss of these values was seen: what is brought back must not be broken. The processes' clocks differ, and all
        # must come to the same.
        if step > 0 and self.processes.agree(time.monotonic() - self.kept_at > KEEP):
            self.save("result", step)
        norm = self.stepper.step(plan["lr"])
        self.emit(
            type="step",
            step=step + 1,
            steps=len(self.plan),
            epoch=plan["epoch"],
            loss=loss,
            lr=plan["lr"],
            gradientNorm=norm,
            tokens=tokens,
            seconds=time.monotonic() - begun,
        )
        return loss, tokens

    def validation_loss(self):
        self.stepper.model.eval()
        size = self.settings["batchSize"]
        loss_sum, tokens = 0.0, sum(labelled(row) for row in self.validation)
        with torch.no_grad():
            for at in range(0, len(self.validation), size):
                loss_sum += self.loss_sum(self.own(self.validation[at : at + size])).item()
        return self.processes.sums(loss_sum)[0] / tokens

    def save(self, name, step):
        """Into a folder of the job, in the form that the adapter came in; all processes must call it."""
        values = self.stepper.values()
        self.kept_at = time.monotonic()
        if self.processes.rank != 0:
            return
        from safetensors.torch import save_file

        place = os.path.join(self.folder, name)
        os.makedirs(place, exist_ok=True)
        shutil.copyfile(os.path.join(self.folder, "adapter", CONFIG), os.path.join(place, CONFIG))
        aside = os.path.join(place, f"{TENSORS}.part")
        save_file(values, aside, metadata={"format": "pt"})
        os.replace(aside, os.path.join(place, TENSORS))
        write_json(os.path.join(place, "state.json"), {"step": step})

    def keep_best(self, steps):
        dist.barrier()
        if self.processes.rank != 0:
            return
        for name in (CONFIG, TENSORS):
            shutil.copyfile(os.path.join(self.folder, "best", name), os.path.join(self.folder, "result", f"{name}.part"))
            os.replace(os.path.join(self.folder, "result", f"{name}.part"), os.path.join(self.folder, "result", name))
        write_json(os.path.join(self.folder, "result", "state.json"), {"step": steps})

    def must_end(self):
        return self.processes.agree(self.is_asked_to_end or os.path.exists(os.path.join(self.folder, "stop")))

    def run(self):
        """As `Fitting` and `fit` of glmlab go."""
        begun = time.monotonic()
        settings, steps = self.settings, len(self.plan)
        every, patience, monitor = settings["validateEvery"], settings["patience"], settings["monitor"]
        validates = len(self.validation) > 0
        holds = validates or patience > 0
        step = of_epoch = stale = judged = 0
        loss_sum = tokens = 0.0
        best = None
        self.emit(**self.job["start"])
        while True:
            epoch = self.plan[step - 1 if of_epoch else step]["epoch"] if steps else 1
            has_lost_patience = patience > 0 and stale >= patience
            ends_epoch = of_epoch > 0 and (step >= steps or self.plan[step]["epoch"] != epoch)
            by_epoch = step >= steps or not validates or every == 0
            is_best, validation = False, None
            if step != judged and (ends_epoch if by_epoch else step % every == 0):
                validation = self.validation_loss() if validates else None
                loss = validation if validates else loss_sum / tokens
                if not math.isfinite(loss):
                    raise Failure("loss-not-finite", f"validation: expected a finite loss after step {step}, got {loss}. Lower lr (now {settings['lr']}).")
                is_best = best is None or loss < best["loss"]
                judged, stale = step, 0 if is_best else stale + 1
                has_lost_patience = patience > 0 and stale >= patience
                ends_epoch = ends_epoch or has_lost_patience
                if is_best or not holds:
                    best = {"step": step, "epoch": epoch, "loss": loss}
                if is_best and holds:
                    self.save("best", step)
                if validates:
                    self.emit(type="validation", step=step, epoch=epoch, loss=loss, best=is_best, **score(monitor, loss))
            if ends_epoch:
                seen = {} if validation is None else {"validationLoss": validation, **score(monitor, validation)}
                self.emit(type="epoch", epoch=epoch, loss=loss_sum / tokens, best=is_best, **seen)
                of_epoch, loss_sum, tokens = 0, 0.0, 0.0
            if step >= steps or has_lost_patience:
                break
            if self.must_end():
                self.save("result", step)
                self.emit(type="stopped", step=step)
                return
            loss, count = self.take(step, self.plan[step])
            step, of_epoch = step + 1, of_epoch + 1
            loss_sum, tokens = loss_sum + loss * count, tokens + count
        self.save("result", step)
        if holds and best:
            self.keep_best(step)
        done = {"bestEpoch": 0, "bestStep": 0, "loss": None}
        if best:
            done = {"bestEpoch": best["epoch"], "bestStep": best["step"], "loss": best["loss"], **score(monitor, best["loss"])}
        reason = "patience" if has_lost_patience else "steps" if settings["maxSteps"] > 0 else "epochs"
        self.emit(type="done", steps=step, seconds=time.monotonic() - begun, reason=reason, **done)


def score(monitor, loss):
    return {"score": math.exp(loss)} if monitor == "perplexity" else {}


def labelled(row):
    """Tokens that are learnt: nothing predicts the first."""
    return sum(1 for label in row["labels"][1:] if label != IGNORED)


def readable(value):
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def fault_of(error):
    if isinstance(error, Failure):
        return error.code, str(error)
    if isinstance(error, getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)):
        return "out-of-memory", f"{error} Take a smaller batch, shorter rows, --zero 3 or --offload."
    return "job-failed", f"{type(error).__name__}: {error}"


def main(folder):
    rank = os.environ.get("RANK", "0")
    try:
        Run(folder).run()
    except Exception as error:
        code, message = fault_of(error)
        os.makedirs(os.path.join(folder, "faults"), exist_ok=True)
        fault = {"code": code, "message": message, "time": time.time(), "traceback": traceback.format_exc()}
        write_json(os.path.join(folder, "faults", f"{rank}.json"), fault)
        raise
    dist.destroy_process_group()


if __name__ == "__main__":
    # DeepSpeed's launcher adds --local_rank=N.
    main(os.path.abspath([word for word in sys.argv[1:] if not word.startswith("--")][0]))
