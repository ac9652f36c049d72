"""Trains by torchrun in notebooks, through Jupyter's own client: watched, interrupted, closed, attached to again, stopped.

    notebook.py MODEL PYTHON       PYTHON has torch and peft; the kernel "glmlab" is installed
"""

import json
import queue
import re
import sys
import time

from jupyter_client import KernelManager

model, python = sys.argv[1:3]
PATIENCE = 180
VEGA = "application/vnd.vegalite.v5+json"
ROWS = "\n".join(json.dumps({"prompt": f"what is number {i}?", "response": f"it is {i * i}."}) for i in range(11))


def train(name, steps, more=""):
    options = f"--engine torchrun --hosts localhost:2 --python {python} --batch-size 3 --lr 5e-3 --no-check"
    return f"%%train {name} {options} --max-steps {steps} {more}\n{ROWS}"


class Ran:
    """What a cell has put out."""

    def __init__(self):
        self.stdout, self.stderr, self.error, self.result = "", "", None, None
        # By display: the last state. How often they changed.
        self.displays, self.changes = {}, 0

    def take(self, kind, content):
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind in ("display_data", "update_display_data"):
            self.displays[content["transient"].get("display_id", len(self.displays))] = content["data"]
            self.changes += 1
        elif kind == "error":
            self.error = content["ename"]
        elif kind == "execute_result":
            self.result = content["data"]["text/plain"]

    @property
    def text(self):
        return "\n".join(data["text/plain"] for data in self.displays.values())

    @property
    def chart(self):
        return next(data for data in self.displays.values() if VEGA in data)


class Notebook:
    def __init__(self):
        self.manager = KernelManager(kernel_name="glmlab")
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        ran = self.run(f"%model {model}")
        assert "276 K parameters" in ran.stdout, ran.stdout

    def run(self, code, until=None, then=None):
        """Runs a cell; once what it shows matches `until`, does `then`, which ends the wait if it says so."""
        cell, ran, begun = self.client.execute(code), Ran(), time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != cell:
                continue
            kind, content = message["msg_type"], message["content"]
            ran.take(kind, content)
            if kind == "status" and content["execution_state"] == "idle":
                return ran
            if until and re.search(until, ran.text):
                until = None
                if then():
                    return ran
        raise AssertionError(f"{code[:60]!r} did not end: {ran.stdout} {ran.stderr} {ran.text}")

    def steps(self, name):
        return int(self.run(f'(await (await glm.adapter("{name}")).info()).steps').result)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        return True


def points(chart):
    return [point["step"] for layer in chart[VEGA]["layer"] for point in layer.get("data", {}).get("values", [])]


notebook = Notebook()

# As a run here: one bar, one chart that grows, and its picture in the end.
ran = notebook.run(train("dream", 8))
assert ran.error is None, ran.stderr
assert re.search(r"^dream: 8 steps in ", ran.stdout, re.M), ran.stdout
assert re.search(r"^Training dream on 11 rows .* 8/8 ", ran.text, re.M), ran.text
assert re.search(r"^dream: training loss: loss .* in 8 steps", ran.text, re.M), ran.text
assert "image/svg+xml" in ran.chart and set(points(ran.chart)) == set(range(1, 9)), points(ran.chart)
assert notebook.steps("dream") == 8

# An interrupt ends the job after its step, and the cell when the adapter has it.
ran = notebook.run(train("cut", 5000), r"\b[1-9]\d*/5,000", notebook.manager.interrupt_kernel)
assert ran.error == "Interrupted", ran.error
kept = int(re.search(r"cut keeps the values of step (\d+) of 5000", ran.stderr).group(1))
assert 0 < kept < 5000 and notebook.steps("cut") == kept, (kept, notebook.steps("cut"))

# A job goes on when its notebook is closed, and the next one shows it from its start.
notebook.run(train("closed", 60), r"\b[1-9]\d*/60", notebook.close)
notebook = Notebook()
ran = notebook.run("%train runs")
assert re.search(r"^closed +torchrun +(running|done)", ran.text, re.M), ran.text
assert re.search(r"^cut +torchrun +stopped", ran.text, re.M), ran.text
ran = notebook.run("%train attach closed")
assert "closed: done after step 60 of 60 steps." in ran.stdout, ran.stdout
assert {1, 60} <= set(points(ran.chart)), points(ran.chart)
assert notebook.steps("closed") == 60

# One that nobody waits for, watched for a while, and stopped by its name.
ran = notebook.run(train("alone", 5000, "--detach"))
assert "%train attach alone shows it" in ran.stdout, ran.stdout
ran = notebook.run("%train attach alone", r"\b[1-9]\d*/5,000", notebook.manager.interrupt_kernel)
assert "alone trains on; only this cell has ended." in ran.stderr, ran.stderr
ran = notebook.run("%train stop alone")
kept = int(re.search(r"alone: stopped after step (\d+) of 5000 steps", ran.stdout).group(1))
assert kept > 0 and notebook.steps("alone") == kept, kept
notebook.close()
print("torchrun in notebooks ok")
