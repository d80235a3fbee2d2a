#!/usr/bin/env python3
"""Who may include whom (docs/architecture.md), checked transitively over src/ and include/.

Prints every breach as `file: message` with the chain of includes that leads to it; exit 1 when there
is one. `--print` shows the tables. Standard library only.
"""
import argparse
import pathlib
import re
import sys

# Folder of src/ -> folders of src/ that it may include (itself always).
FOLDERS = {
    "base": [],
    "json": ["base"],
    "text": ["base", "json"],
    "tensor": ["base"],
    "kv": ["base"],
    "step": ["base", "kv"],
    "sched": ["base", "kv", "step"],
    "checkpoint": ["base", "json", "tensor"],
    "convert": ["base", "json", "tensor", "checkpoint", "text"],
    "backend": ["base", "tensor"],
    "comm": ["base", "tensor", "backend"],
    "parallel": ["base", "tensor", "backend", "comm"],
    "sampling": ["base"],
    "nn": ["base", "tensor", "backend", "kv", "step", "parallel"],
    "model": ["base", "json", "tensor", "checkpoint", "backend", "kv", "step", "parallel", "nn"],
    "engine": ["base", "json", "text", "tensor", "kv", "step", "sched", "checkpoint", "convert",
               "backend", "comm", "parallel", "sampling", "nn", "model"],
    "diag": ["base", "json", "text", "tensor", "kv", "step", "sched", "checkpoint", "convert",
             "backend", "comm", "parallel", "sampling", "nn", "model", "engine"],
    "server": ["base", "json"],
    "cli": ["base", "json", "server"],
}

# Header of include/tandem/ -> folders of src/ that may include it: those that implement it, and
# those above them that pass its values on. error.h is everybody's; an "*" opens a header to all.
PUBLIC = {
    "error.h": ["*"],
    "sampling.h": ["sampling", "step", "sched", "engine", "diag", "server", "cli"],
    "text.h": ["text", "convert", "engine", "diag", "server", "cli"],
    "convert.h": ["convert", "engine", "diag", "server", "cli"],
    "engine.h": ["engine", "diag", "server", "cli"],
    "inspect.h": ["engine", "diag", "server", "cli"],
    "diag.h": ["diag", "server", "cli"],
    "layers.h": ["nn", "model", "engine", "diag"],
    "model.h": ["model", "engine", "diag", "cli"],
    "tandem.h": ["cli", "server"],
}
MAX_PUBLIC_HEADERS = 10

# A library's headers -> the only places (prefixes of paths) that may include them.
LIBRARIES = {
    "nlohmann/": ["src/json/json.cc"],
    "CLI/": ["src/cli/"],
    "spdlog/": ["src/base/"],
    "pcre2.h": ["src/text/"],
    "utf8proc.h": ["src/text/"],
    "sentencepiece": ["src/text/"],
    "histedit.h": ["src/cli/"],
    "editline/": ["src/cli/"],
    "cuda": ["src/backend/cuda/", "src/comm/nccl/"],
    "cublas": ["src/backend/cuda/"],
    "nccl": ["src/comm/nccl/"],
    "acl": ["src/backend/ascend/", "src/comm/hccl/"],
    "hccl": ["src/comm/hccl/"],
    "mpi.h": ["src/comm/mpi/"],
}
# Headers whose libraries are heavy: in .cc files alone.
NOT_IN_HEADERS = ["nlohmann/", "spdlog/", "gtest/", "pcre2.h", "sentencepiece"]
# Implementations of one contract that do not know each other: only their parent folder may.
SIBLINGS = ["backend", "comm"]
# Headers of `parallel/` must not pull in `comm/`: the layers see communication through parallel/.
NO_PULL = {"parallel": "comm"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


class Tree:
    def __init__(self, root):
        self.root = root
        self.includes = {}
        for top in ("src", "include"):
            for path in sorted((root / top).rglob("*")):
                if path.suffix in (".h", ".cc", ".cu", ".inc"):
                    text = path.read_text(encoding="utf-8", errors="replace")
                    self.includes[str(path.relative_to(root))] = INCLUDE.findall(text)

    def resolve(self, name):
        """The project's file that an include names, or None for a library's."""
        for top in ("src/", "include/"):
            if top + name in self.includes:
                return top + name
        return None


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def sub_folder(path):
    parts = path.split("/")
    return parts[2] if parts[0] == "src" and len(parts) > 3 else None


def may_reach(source, target):
    """Why `source` may not depend on `target`, or None."""
    if target.startswith("include/tandem/"):
        header = target[len("include/tandem/"):]
        if source.startswith("include/"):
            return None
        if header not in PUBLIC:
            return f"{header} is not in the table of public headers"
        owners = PUBLIC[header]
        ok = "*" in owners or folder_of(source) in owners
        return None if ok else f"{folder_of(source)}/ neither implements nor passes on tandem/{header}"
    mine, other = folder_of(source), folder_of(target)
    if source.startswith("include/"):
        return "a public header includes a private one"
    if mine != other and other not in FOLDERS.get(mine, []):
        return f"{mine}/ may not include {other}/"
    if mine == other and mine in SIBLINGS:
        here, there = sub_folder(source), sub_folder(target)
        if here and there and here != there:
            return f"{mine}/{here}/ and {mine}/{there}/ may not know each other"
    return None


def check_transitively(tree, source, report):
    seen, queue = {source}, [(source, [])]
    while queue:
        path, chain = queue.pop(0)
        for _, name in tree.includes[path]:
            target = tree.resolve(name)
            if target is None or target in seen:
                continue
            seen.add(target)
            why = may_reach(source, target)
            if why:
                report(source, why + ": " + " -> ".join(chain + [target]))
                continue  # what lies behind a breach is the same breach
            queue.append((target, chain + [target]))


def check_libraries(tree, source, report):
    for mark, name in tree.includes[source]:
        if tree.resolve(name):
            continue
        if mark == '"':
            report(source, f'"{name}" is not a file below src/ or include/ '
                           "(includes are written from there)")
        if source.startswith("include/") and "/" in name:
            report(source, f"<{name}>: public headers take the standard library alone")
        for prefix, places in LIBRARIES.items():
            if name.startswith(prefix) and not any(source.startswith(p) for p in places):
                report(source, f"<{name}> belongs in {', '.join(places)}")
        if source.endswith(".h") and any(name.startswith(p) for p in NOT_IN_HEADERS):
            report(source, f"<{name}> in a header: keep it in a .cc file")


def check_pulls(tree, source, report):
    """Headers of a folder that hides another one from its users."""
    hidden = NO_PULL.get(folder_of(source))
    if not hidden or not source.endswith(".h"):
        return
    for _, name in tree.includes[source]:
        if name.startswith(hidden + "/"):
            report(source, f"a header of {folder_of(source)}/ pulls in {name}")


def check(root):
    tree = Tree(root)
    breaches = []

    def report(path, message):
        breaches.append(f"{path}: {message}")

    for path in tree.includes:
        if path.startswith("src/") and folder_of(path) is None:
            report(path, "no file lies directly in src/")
            continue
        if folder_of(path) and folder_of(path) not in FOLDERS:
            report(path, f"src/{folder_of(path)}/ is not in the table of folders")
            continue
        check_transitively(tree, path, report)
        check_libraries(tree, path, report)
        check_pulls(tree, path, report)
    headers = [p for p in tree.includes if p.startswith("include/tandem/")]
    if len(headers) > MAX_PUBLIC_HEADERS:
        report("include/tandem", f"{len(headers)} headers, at most {MAX_PUBLIC_HEADERS}")
    return tree, sorted(set(breaches))


def print_tables():
    print("folder of src/ and what it may include:")
    for folder, allowed in FOLDERS.items():
        print(f"  {folder:11} {', '.join(allowed) or '-'}")
    print("header of include/tandem/ and the folders that may include it:")
    for header, owners in PUBLIC.items():
        print(f"  {header:11} {', '.join(owners)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--print", action="store_true", help="show the tables and stop")
    args = parser.parse_args()
    if args.print:
        print_tables()
        return 0
    tree, breaches = check(args.root)
    for line in breaches:
        print(line)
    print(f"check_layers: {len(tree.includes)} files, {len(breaches)} breaches")
    return 1 if breaches or not tree.includes else 0


if __name__ == "__main__":
    sys.exit(main())
