#!/usr/bin/env python3
"""Facts about the tree that are easy to forget: lengths, paths of a machine, unfinished words.

Prints every breach as `file:line: message`; exit 1 when there is one. Looks at what git knows (or, in
a tree without git, at all files). Standard library only.
"""
import pathlib
import re
import subprocess
import sys

MAX_LINES = 400        # above: a line that begins with LENGTH_NOTE says why the file is one thing
MAX_HEADER_LINES = 200
LENGTH_NOTE = "// Length:"
CODE = (".cc", ".h", ".cu")
BINARY = (".safetensors", ".bin", ".gguf", ".png", ".model")

# The expressions are split so that this file does not find itself.
MACHINE_PATH = re.compile(r"/(wo" r"rk|fa" r"rm|ro" r"ot|tmp/bash_" r"jobs)/")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|not impl" r"emented|unimpl" r"emented")
SILENT_SKIP = re.compile(r"GTEST_SKIP\(\)\s*;")
ENDS_PROCESS = re.compile(r"(?<![\w.:>])(?<!void )(std::)?(_exit|quick_exit|exit|abort)\s*\(")
# Where ending the process is the point (docs/architecture.md): the program's main and what runs in a
# worker instead of it, and handlers of fatal signals.
MAY_END = ("src/cli/main.cc", "src/engine/worker", "src/engine/ranks/", "src/comm/", "src/diag/")


def tracked_files(root):
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=root, capture_output=True, check=False)
    if out.returncode == 0 and out.stdout:
        names = [n for n in out.stdout.decode().split("\0") if n]
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    return sorted(n for n in set(names)
                  if (root / n).is_file() and not n.startswith("build/") and not n.endswith(BINARY))


def check_lengths(name, lines, report):
    limit = MAX_HEADER_LINES if name.endswith(".h") else MAX_LINES
    if len(lines) > limit and not any(l.startswith(LENGTH_NOTE) for l in lines[:40]):
        report(name, 1, f"{len(lines)} lines, above {limit}: split it, or say why it is one thing in a "
                        f"line that begins with '{LENGTH_NOTE}'")


def check_words(name, lines, report):
    ours = name.startswith(("src/", "include/", "tests/"))
    for number, line in enumerate(lines, 1):
        if MACHINE_PATH.search(line):
            report(name, number, "a path of one machine")
        if "../sha" "red" in line and not name.startswith("tests/") and not name.endswith(".md"):
            report(name, number, "only tests may look at files beside the checkout")
        if not (ours and name.endswith(CODE)):
            continue
        if UNFINISHED.search(line):
            report(name, number, "unfinished, by the words")
        if SILENT_SKIP.search(line):
            report(name, number, "a skipped test says why")
        if name.startswith("src/") and not name.startswith(MAY_END):
            code = line.split("//")[0]
            if ENDS_PROCESS.search(code) and '"' not in code:
                report(name, number, "ends the process: throw instead")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    breaches = []

    def report(name, line, message):
        breaches.append(f"{name}:{line}: {message}")

    names = tracked_files(root)
    for name in names:
        if name.startswith("src/") and name.count("/") == 1:
            report(name, 1, "no file lies directly in src/")
        if name.endswith((".json", ".jsonl")):
            continue
        lines = (root / name).read_text(encoding="utf-8", errors="replace").splitlines()
        if name.endswith(CODE):
            check_lengths(name, lines, report)
        check_words(name, lines, report)
    for line in breaches:
        print(line)
    print(f"check_tree: {len(names)} files, {len(breaches)} breaches")
    return 1 if breaches or not names else 0


if __name__ == "__main__":
    sys.exit(main())
