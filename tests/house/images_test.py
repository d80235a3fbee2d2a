#!/usr/bin/env python3
"""The drawings of docs/images are what tools/draw_partition.py draws today: images_test.py TANDEM"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DRAWINGS = {"partition": ("partition", 3), "partition2": ("partition", 2), "tree": ("tree", 3),
            "block": ("block", 3)}


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (kind, world_size) in DRAWINGS.items():
            out = pathlib.Path(folder) / f"{name}.svg"
            subprocess.run([sys.executable, ROOT / "tools" / "draw_partition.py", "--tandem", sys.argv[1],
                            "shape:smollm2-135m", "--world_size", str(world_size), "--kind", kind,
                            "--out", out], check=True, stdout=subprocess.DEVNULL)
            if out.read_bytes() != (ROOT / "docs" / "images" / out.name).read_bytes():
                bad += 1
                print(f"docs/images/{name}.svg differs from `tools/draw_partition.py --tandem TANDEM "
                      f"shape:smollm2-135m --kind {kind} --world_size {world_size}`")
    known = {f"{name}.svg" for name in DRAWINGS}
    for path in sorted((ROOT / "docs" / "images").glob("*.svg")):
        if path.name not in known:
            bad += 1
            print(f"{path.name} is drawn by nobody: add it to DRAWINGS in this test")
    print(f"images_test: {len(DRAWINGS)} drawings, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
