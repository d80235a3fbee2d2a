#!/usr/bin/env python3
"""Draws who holds what, from what the program itself says (`tandem inspect DIR --json`).

  tools/draw_partition.py --tandem build/release/tandem DIR --world_size 3 --kind partition --out a.svg

Kinds: `partition`, the pieces of every dimension and their ranks; `tree`, the reduction tree over query
heads and the nodes that each rank publishes, for several world sizes; `block`, the way of one token
through a block. Standard library only.
"""
import argparse
import html
import json
import pathlib
import subprocess
import sys

COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2", "#9c755f", "#bab0ac"]
INK = "#222222"
WIDTH = 900


def colour(rank):
    return COLOURS[rank % len(COLOURS)]


class Svg:
    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img">',
            f"<title>{html.escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>']

    def rect(self, box, fill, text="", **more):
        x, y, w, h = box
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in more.items())
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
                          f'fill="{fill}"{extra}/>')
        if text:
            ink = "#ffffff" if fill in COLOURS else INK
            self.text(x + w / 2, y + h / 2 + 4, text, anchor="middle", fill=ink)

    def text(self, x, y, text, anchor="start", fill=INK, size=13):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
                          f'font-size="{size}">{html.escape(text)}</text>')

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.5):
        """Beneath all that is drawn before and after."""
        self.parts.insert(3, f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{stroke}" stroke-width="{width}"/>')

    def circle(self, x, y, r, fill, stroke=INK):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}" stroke="{stroke}"/>')

    def write(self, path):
        pathlib.Path(path).write_text("\n".join(self.parts + ["</svg>", ""]), encoding="utf-8")


def inspect(tandem, folder, world_size):
    done = subprocess.run([tandem, "inspect", folder, "--world_size", str(world_size), "--json"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"tandem inspect ended with {done.returncode}")
    return json.loads(done.stdout)["ranks"]


def legend(svg, ranks, y):
    for r in range(len(ranks)):
        x = 150 + r * 90
        svg.rect((x, y, 14, 14), colour(r))
        svg.text(x + 20, y + 12, f"rank {r}")


def draw_partition(args):
    ranks = inspect(args.tandem, args.folder, args.world_size)
    rows = [("query heads", "query_heads", "one unit = one head"),
            ("key/value heads", "kv_heads", "held by each rank whose query heads need it"),
            ("feed-forward", "ff_columns", "columns of gate and up, rows of down"),
            ("vocabulary", "vocab_rows", "rows of embedding and head")]
    svg = Svg(WIDTH, 60 + 86 * len(rows), f"Partition over {len(ranks)} ranks")
    legend(svg, ranks, 14)
    left, width = 150, WIDTH - 180
    for i, (label, key, note) in enumerate(rows):
        y = 52 + i * 86
        svg.text(10, y + 22, label)
        total = max(r[key][1] for r in ranks)
        for rank, entry in enumerate(ranks):
            begin, end = entry[key]
            if end <= begin:
                continue
            # A piece held twice: the holders' bars lie over one another, each half as high.
            shared = [r for r, other in enumerate(ranks)
                      if other[key][0] < end and begin < other[key][1]]
            for unit in range(begin, end) if key.endswith("heads") else [None]:
                lo, hi = (begin, end) if unit is None else (unit, unit + 1)
                holders = shared if unit is None else [
                    r for r, other in enumerate(ranks) if other[key][0] <= unit < other[key][1]]
                height = 36 / len(holders)
                box = (left + width * lo / total, y + height * holders.index(rank),
                       width * (hi - lo) / total, height)
                text = f"{lo} … {hi}" if unit is None else (str(unit) if total <= 40 else "")
                svg.rect(box, colour(rank), text if height > 15 else "", stroke="#ffffff")
        svg.text(left, y + 54, f"{total} in all; {note}", size=12)
    svg.write(args.out)


def halves(begin, end):
    middle = begin + (end - begin + 1) // 2
    return (begin, middle), (middle, end)


def draw_tree_at(svg, ranks, top):
    """The tree that halves [0, heads); a node is coloured when one rank owns all below it."""
    heads = max(r["query_heads"][1] for r in ranks)
    owner = {h: r for r, entry in enumerate(ranks)
             for h in range(entry["query_heads"][0], entry["query_heads"][1])}
    step = (WIDTH - 60) / heads
    published = []

    def place(begin, end, depth, parent_owner):
        owners = {owner[h] for h in range(begin, end)}
        mine = owners.pop() if len(owners) == 1 else None
        x = 30 + step * (begin + end) / 2
        y = top + 30 + depth * 44
        if end - begin > 1:
            for half in halves(begin, end):
                cx, cy = place(half[0], half[1], depth + 1, mine)
                svg.line(x, y, cx, cy)
        svg.circle(x, y, 11, "#ffffff" if mine is None else colour(mine))
        svg.text(x, y + 4, str(begin) if end - begin == 1 else "+", anchor="middle",
                 fill=INK if mine is None else "#ffffff")
        if mine is not None and parent_owner is None:
            svg.circle(x, y, 15, "none", colour(mine))
            published.append(mine)
        return x, y

    place(0, heads, 0, None)
    nodes = ", ".join(f"rank {r} publishes {published.count(r)}" for r in range(len(ranks)))
    svg.text(30, top + 8, f"{len(ranks)} ranks: {nodes}")


def draw_tree(args):
    worlds = [inspect(args.tandem, args.folder, n) for n in args.tree_worlds]
    heads = max(r["query_heads"][1] for r in worlds[0])
    height = 60 + 44 * (max(heads - 1, 1).bit_length() + 1)
    svg = Svg(WIDTH, height * len(worlds) + 10, "The reduction tree over query heads")
    for i, ranks in enumerate(worlds):
        draw_tree_at(svg, ranks, 20 + height * i)
    svg.write(args.out)


def span(entry, key):
    begin, end = entry[key]
    return f"{begin} … {end - 1}" if end > begin else "none"


def draw_block(args):
    ranks = inspect(args.tandem, args.folder, args.world_size)
    lane, left = 46, 30
    svg = Svg(WIDTH, 150 + lane * len(ranks), "One token through a block")
    columns = [(120, "norm", None), (190, "q, k, v and attention", "query_heads"), (90, "o_proj", None),
               (60, "Σ", None), (120, "norm", None), (150, "gate, up", "ff_columns"),
               (90, "down", None), (40, "Σ", None)]
    scale = (WIDTH - 2 * left) / sum(c[0] for c in columns)
    x, height = left, lane * len(ranks)
    for width, label, key in columns:
        w = width * scale
        if label == "Σ":
            svg.rect((x + 4, 50, w - 8, height), "#eeeeee", "Σ", stroke=INK)
            svg.text(x + w / 2, 70 + height, "ranks meet", anchor="middle", size=12)
        else:
            svg.text(x + w / 2, 40, label, anchor="middle")
            for rank, entry in enumerate(ranks):
                y = 50 + lane * rank + 6
                if label == "norm":
                    svg.rect((x + 4, y, w - 8, lane - 12), "#f7f7f7", "all of it", stroke="#aaaaaa")
                else:
                    text = "" if key is None else ("heads " if key == "query_heads" else "") + span(entry, key)
                    svg.rect((x + 4, y, w - 8, lane - 12), colour(rank), text)
        x += w
    svg.text(left, 100 + height, "Coloured: a rank's own slice. Grey: the same on every rank. Column-parallel "
                                 "linears need no talk;", size=12)
    svg.text(left, 118 + height, "row-parallel ones end in a sum over ranks, two per block.", size=12)
    legend(svg, ranks, 128 + height)
    svg.write(args.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="checkpoint folder")
    parser.add_argument("--tandem", default="build/release/tandem")
    parser.add_argument("--world_size", type=int, default=3)
    parser.add_argument("--tree_worlds", type=lambda t: [int(p) for p in t.split(",")], default=[2, 3],
                        help="world sizes of the tree drawing [2,3]")
    parser.add_argument("--kind", choices=["partition", "tree", "block"], default="partition")
    parser.add_argument("--out", required=True, help="the SVG to write")
    args = parser.parse_args()
    {"partition": draw_partition, "tree": draw_tree, "block": draw_block}[args.kind](args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
