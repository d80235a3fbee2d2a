#!/usr/bin/env python3
"""Draws what `tandem bench --json` printed: a roofline, and curves over context, batch and world size.

  tandem bench --shape tinyllama-1.1b --sweep --world_size 1,2 --json > bench.jsonl
  bench/plot.py bench.jsonl OUT_DIR

One JSON object per line. Writes roofline.svg and, where there is more than one value, context.svg, batch.svg and
world_size.svg. Standard library only.
"""
import argparse
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 800, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 270, 40, 60
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#8d5a97", "#b8860b", "#444444", "#5aa7d6", "#e39a86"]


class Axis:
    """Maps values to pixels, linearly or by logarithm."""

    def __init__(self, values, begin, end, log):
        self.log, self.begin, self.end = log, begin, end
        low, high = min(values), max(values)
        if log:
            low, high = low / 1.3, high * 1.3
        else:
            low, high = 0, high * 1.1 or 1
        self.low, self.high = low, high

    def scale(self, v):
        return math.log(v) if self.log else v

    def pixel(self, v):
        span = self.scale(self.high) - self.scale(self.low)
        return self.begin + (self.scale(v) - self.scale(self.low)) / span * (self.end - self.begin)

    def ticks(self):
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            marks = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
        else:
            step = 10 ** math.floor(math.log10(self.high))
            step = step / 5 if self.high / step < 2 else step / 2 if self.high / step < 5 else step
            marks = [i * step for i in range(int(self.high / step) + 1)]
        return [m for m in marks if self.low <= m <= self.high]


def number(v):
    return f"{v:g}" if v < 1e5 else f"{v:.0e}"


class Chart:
    def __init__(self, title, x, y, xs, ys, log_x, log_y, x_marks=None):
        self.x = Axis(xs, LEFT, WIDTH - RIGHT, log_x)
        self.x_marks = x_marks or self.x.ticks()
        self.y = Axis(ys, HEIGHT - BOTTOM, TOP, log_y)
        self.lines, self.legend = [], 0
        self.text((LEFT + WIDTH - RIGHT) / 2, 22, title, size=15)
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x)
        middle = (TOP + HEIGHT - BOTTOM) / 2
        self.text(20, middle, y, extra=f' transform="rotate(-90 20 {middle:.0f})"')
        self.grid()

    def grid(self):
        for v in self.x_marks:
            self.segment(self.x.pixel(v), TOP, self.x.pixel(v), HEIGHT - BOTTOM, "#ddd")
            self.text(self.x.pixel(v), HEIGHT - BOTTOM + 18, number(v), size=11)
        for v in self.y.ticks():
            self.segment(LEFT, self.y.pixel(v), WIDTH - RIGHT, self.y.pixel(v), "#ddd")
            self.text(LEFT - 8, self.y.pixel(v) + 4, number(v), size=11, anchor="end")

    def text(self, x, y, words, size=13, anchor="middle", extra=""):
        self.lines.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{extra}>'
                          f"{escape(words)}</text>")

    def segment(self, x1, y1, x2, y2, colour, width=1.0):
        self.lines.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"/>')

    def series(self, points, name, marks=True, line=True):
        colour = COLOURS[self.legend % len(COLOURS)]
        pixels = [(self.x.pixel(a), self.y.pixel(b)) for a, b in sorted(points)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in pixels)
        if line:
            self.lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if marks:
            self.lines += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>' for a, b in pixels]
        y = TOP + 16 + 20 * self.legend
        self.segment(WIDTH - RIGHT + 12, y - 4, WIDTH - RIGHT + 32, y - 4, colour, 3)
        self.text(WIDTH - RIGHT + 38, y, name, size=12, anchor="start")
        self.legend += 1

    def write(self, path):
        body = "\n".join(self.lines)
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n',
                        encoding="utf-8")
        print(path)


def label(r, without=()):
    """What differs from line to line: type of the weights, ranks x threads, batch, context."""
    threads = f" x {r['threads']} thread{'s' if r['threads'] > 1 else ''}"
    parts = {"quantize": r["quantize"] if r["quantize"] != "none" else r["dtype"],
             "world_size": f"{r['world_size']} rank{'s' if r['world_size'] > 1 else ''}{threads}",
             "batch": f"batch {r.get('batch', 1)}", "prompt": f"context {r['prompt']}"}
    return ", ".join(v for k, v in parts.items() if k not in without)


def roofline(results, folder):
    """Flops per byte against flops per second: decode and prefill below the two probes."""
    groups = {}
    for r in results:
        batch = r.get("batch", 1)
        for phase, rows in (("decode", batch), ("prefill", r["prompt"] * batch)):
            at = (r["flops_per_token"] * rows / r["bytes_per_step"], r[f"{phase}_tok_s"] * r["flops_per_token"] / 1e9)
            groups.setdefault(f"{phase}, {label(r, without=('batch', 'prompt'))}", []).append(at)
    points = [p for group in groups.values() for p in group]
    read = max(r["probe_read_gb_s"] for r in results)
    compute = max(r["probe_compute_gf"] for r in results)
    xs = [p[0] for p in points] + [compute / read]
    ys = [p[1] for p in points] + [compute, min(xs) * read]
    chart = Chart("Roofline", "flops per byte", "GF/s", xs, ys, True, True)
    low, high = min(xs), max(xs + [compute / read * 1.01])
    chart.series([(low, low * read), (compute / read, compute), (high, compute)], "probes", marks=False)
    for name, group in groups.items():
        chart.series(group, name, line=False)
    chart.write(folder / "roofline.svg")


def curves(results, key, x_name, folder):
    """decode_tok_s over `key`, one curve for all that agree in the rest."""
    groups = {}
    for r in results:
        groups.setdefault(label(r, without=(key,)), {})[r.get(key, 1)] = r["decode_tok_s"]  # the last of equal points
    groups = {name: list(points.items()) for name, points in groups.items() if len(points) > 1}
    if not groups:
        return
    xs = [x for points in groups.values() for x, _ in points]
    ys = [y for points in groups.values() for _, y in points]
    chart = Chart(f"Decode over {x_name}", x_name, "tokens/s", xs, ys, key != "world_size", False, sorted(set(xs)))
    for name, points in groups.items():
        chart.series(points, name)
    chart.write(folder / f"{'context' if key == 'prompt' else key}.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="JSON lines of `tandem bench --json`; - is standard input")
    parser.add_argument("out", type=pathlib.Path, help="folder for the drawings")
    args = parser.parse_args()
    text = sys.stdin.read() if args.results == "-" else pathlib.Path(args.results).read_text(encoding="utf-8")
    results = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not results:
        sys.exit("plot.py: no results")
    args.out.mkdir(parents=True, exist_ok=True)
    roofline(results, args.out)
    curves(results, "prompt", "context", args.out)
    curves(results, "batch", "batch", args.out)
    curves(results, "world_size", "ranks", args.out)


if __name__ == "__main__":
    main()
