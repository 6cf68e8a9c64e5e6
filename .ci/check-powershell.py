"""Judges the syntax of PowerShell scripts, which no registry has an interpreter for.

usage: check-powershell FILE...
"""

import sys
from pathlib import Path

import tree_sitter
import tree_sitter_powershell

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
faults = 0


def fault(file, row, message):
    global faults
    print(f"{file}:{row + 1}: {message}")
    faults += 1


def walk(file, node):
    if node.is_missing or node.type == "ERROR":
        fault(file, node.start_point.row, "syntax error")
    elif node.has_error:
        for child in node.children:
            walk(file, child)


for file in sys.argv[1:]:
    source = Path(file).read_bytes()
    walk(file, parser.parse(source).root_node)
    # PowerShell 5.1 takes a file without a byte order mark for one in the machine's old code page.
    for row, line in enumerate(source.splitlines()):
        if not line.isascii():
            fault(file, row, "a character that is not ASCII")
sys.exit(faults > 0)
