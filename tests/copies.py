"""A copy of what the chain needs, in which tests may run studies and change files."""

import os
import re
import shutil
import subprocess
import sys

from helpers.files import ROOT

LEFT_OUT = shutil.ignore_patterns("runs", "__pycache__", ".ipynb_checkpoints")


def make(folder):
    """Copy the code and the data of the checkout, without its runs and results, into `folder`."""
    (folder / "data").mkdir(parents=True)
    for name in ("src", "workflow", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for path in (ROOT / "data").iterdir():
        if path.is_file():
            shutil.copy2(path, folder / "data" / path.name)
        elif path.name not in ("runs", "results"):
            shutil.copytree(path, folder / "data" / path.name)
    return folder


def start(folder, *arguments):
    """workflow/run.py of a copy, in a process group of its own."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, folder / "workflow" / "run.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def run(folder, *arguments):
    """The exit status and the output of workflow/run.py in a copy."""
    process = start(folder, *arguments)
    output, _ = process.communicate()
    return process.returncode, output


def jobs_of(output):
    """How often each rule would run, from Snakemake's table of jobs."""
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
