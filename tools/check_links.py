#!/usr/bin/env python3
"""Relative links in Markdown files: the file is there, and so is the heading that a fragment names.

Also the paths that docs name in backticks (`src/...`, `tests/...`, ...). Prints every breach as
`file:line: message`; exit 1 when there is one. Standard library only.
"""
import pathlib
import re
import sys
import unicodedata

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:src|include|tests|tools|docs|examples|bench|cmake|fuzz)/[A-Za-z0-9_./-]+)`")
OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:")


def anchors(path):
    """Fragments of a file's headings, as the usual renderers make them."""
    found, fenced = set(), False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if fenced or not line.startswith("#"):
            continue
        text = line.lstrip("#").strip().lower().replace("`", "")
        kept = (c for c in text if c in " -_" or unicodedata.category(c)[0] in "LN")
        found.add("".join(kept).replace(" ", "-"))
    return found


def check_file(root, path, report):
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        for target in LINK.findall(line):
            if OUTSIDE.match(target):
                continue
            name, _, fragment = target.partition("#")
            there = path.parent / name if name else path
            if not there.exists():
                report(path, number, f"{target}: no such file")
            elif fragment and there.suffix == ".md" and fragment not in anchors(there):
                report(path, number, f"{target}: no such heading")
        for name in CODE_PATH.findall(line):
            if "*" not in name and not (root / name).exists():
                report(path, number, f"`{name}`: no such file")


def main():
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else \
        pathlib.Path(__file__).resolve().parent.parent
    breaches = []

    def report(path, number, message):
        breaches.append(f"{path.relative_to(root)}:{number}: {message}")

    files = sorted(p for p in root.rglob("*.md")
                   if not {"build", ".git"} & set(p.relative_to(root).parts))
    for path in files:
        check_file(root, path, report)
    for line in breaches:
        print(line)
    print(f"check_links: {len(files)} files, {len(breaches)} breaches")
    return 1 if breaches or not files else 0


if __name__ == "__main__":
    sys.exit(main())
