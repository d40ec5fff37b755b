"""Whether runtimes run, asked of processes of their own: one that is broken may end the process that imports it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from nic_core.cli.system.findings import Finding
from nic_core.plugins.published import DEFAULT

SCRIPTS = {
    "torch": """
import json, torch
torch.ones(2, 2) @ torch.ones(2, 2)
gpus = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
apple = ["mps"] if torch.backends.mps.is_available() else []
print(json.dumps([torch.__version__, ["cpu", *gpus, *apple]]))
""",
    "onnxruntime": """
import json, onnxruntime
onnxruntime.SessionOptions()
print(json.dumps([onnxruntime.__version__, onnxruntime.get_available_providers()]))
""",
}
REMEDIES = {
    "torch": "pip install torch: for codecs other than the default, training, and GPUs",
    "onnxruntime": f"pip install onnxruntime: what {DEFAULT} runs by, without torch",
}
PATIENCE = 120.0
"""Seconds that starting a runtime may take."""


def runtimes() -> Iterator[Finding]:
    """Yield whether torch and onnxruntime are there and run, and with which devices and providers."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name, script in SCRIPTS.items()
        if find_spec(name)
    }
    for name in SCRIPTS:
        if name not in started:
            yield Finding("runtimes", name, "missing", "not installed", REMEDIES[name])
            continue
        try:
            out, errors = started[name].communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            started[name].kill()
            started[name].communicate()
            yield Finding("runtimes", name, "broken", f"did not start within {PATIENCE:g} seconds")
            continue
        if started[name].returncode:
            last = (errors.strip().splitlines() or [f"it ended with code {started[name].returncode}"])[-1]
            remedy = f"pip install --force-reinstall {name}"
            yield Finding("runtimes", name, "broken", f"does not start: {last}", remedy)
            continue
        version, devices = json.loads(out.splitlines()[-1])
        text = f"{version}, {', '.join(devices)}"
        yield Finding("runtimes", name, "ok", text, facts={"version": version, "devices": devices})
