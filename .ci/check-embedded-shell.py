"""Gives each `run:` script of workflows and action manifests to shellcheck.

usage: check-embedded-shell FILE...

An expression (`${{ ... }}`) becomes the word EXPRESSION, as the script sees
only its value. Only bash and sh are judged; a workflow's default is bash.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml


def scripts(node, shell, where):
    """Every (place, shell, script) below `node`."""
    if isinstance(node, dict):
        defaults = node.get("defaults")
        if isinstance(defaults, dict) and isinstance(defaults.get("run"), dict):
            shell = defaults["run"].get("shell", shell)
        if isinstance(node.get("run"), str):
            yield where, node.get("shell", shell), node["run"]
        for key, value in node.items():
            yield from scripts(value, shell, f"{where}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from scripts(value, shell, f"{where}[{index}]")


failed = False
for file in sys.argv[1:]:
    for where, shell, script in scripts(yaml.safe_load(Path(file).read_text(encoding="utf-8")), "bash", file):
        dialect = str(shell).split()[0]
        if dialect not in ("bash", "sh"):
            continue
        script = re.sub(r"\$\{\{.*?\}\}", "EXPRESSION", script, flags=re.DOTALL)
        shellcheck = Path(sys.executable).with_name("shellcheck")
        command = [shellcheck, f"--shell={dialect}", "-"]
        if subprocess.run(command, input=script, text=True, check=False).returncode != 0:
            print(f"in {where}")
            failed = True
sys.exit(failed)
