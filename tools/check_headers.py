#!/usr/bin/env python3
"""Compiles each header of include/tandem alone: python3 tools/check_headers.py COMPILER"""
import pathlib
import subprocess
import sys


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    headers = sorted((root / "include" / "tandem").glob("*.h"))
    failed = 0
    for header in headers:
        command = [sys.argv[1], "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
                   "-Werror", "-I", str(root / "include"), "-x", "c++", "-"]
        # Twice: a header without a guard fails the second time.
        text = f"#include <tandem/{header.name}>\n" * 2
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            failed += 1
            print(f"include/tandem/{header.name} does not compile alone:\n{done.stderr}")
    print(f"check_headers: {len(headers)} headers, {failed} failed")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
