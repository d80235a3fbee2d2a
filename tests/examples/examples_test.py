#!/usr/bin/env python3
"""Installs tandem into a folder of its own, builds examples/ against it with find_package, runs them.

custom_model: the logits of reference.json (to 1e-4 of their standard deviation), one digest at world
sizes 1 to 4; where NumPy is there, reference.py is run again and must agree with reference.json.
embed: the text that `tandem generate` gives. Standard library only.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data"
ARGS = None
TOLERANCE = 1e-4  # of the logits' standard deviation


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != code:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n"
                             f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tandem_examples.")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.at = pathlib.Path(cls.folder.name)
        run("cmake", "--install", ARGS.build, "--prefix", cls.at / "prefix")
        for name in ("custom_model", "embed"):
            # A copy: an outside project must not find this tree by a relative path.
            shutil.copytree(ROOT / "examples" / name, cls.at / name)
            cls.build(cls.at / name)

    @classmethod
    def build(cls, project):
        run("cmake", "-S", project, "-B", project / "build", "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_PREFIX_PATH={cls.at / 'prefix'}", f"-DCMAKE_CXX_COMPILER={ARGS.compiler}")
        run("cmake", "--build", project / "build")

    def program(self, name):
        return self.at / name / "build" / name

    def test_custom_model_equals_numpy_and_itself(self):
        folder = self.at / "gated_parallel"
        example = ROOT / "examples" / "custom_model"
        run(sys.executable, example / "make_checkpoint.py", folder)
        reference = json.loads((example / "reference.json").read_text(encoding="utf-8"))
        for case in reference:
            ids = ",".join(map(str, case["ids"]))
            results = [json.loads(run(self.program("custom_model"), folder, n, ids).stdout)
                       for n in (1, 2, 3, 4)]
            self.assertEqual(len({r["digest"] for r in results}), 1, "one digest at every world size")
            self.assertEqual(results[0]["argmax"], case["argmax"])
            self.assertEqual(len(results[0]["logits"]), len(case["logits"]))
            worst = max(abs(a - b) for a, b in zip(results[0]["logits"], case["logits"]))
            print(f"{len(case['ids'])} ids: largest error {worst / case['std']:.1e} of the logits' "
                  f"standard deviation, digest {results[0]['digest']}")
            self.assertLess(worst, TOLERANCE * case["std"])

    def test_reference_is_what_numpy_says(self):
        try:
            import numpy  # pylint: disable=import-outside-toplevel,unused-import
        except ImportError:
            self.skipTest("NumPy is not installed: reference.json is taken as it is")
        example = ROOT / "examples" / "custom_model"
        folder = self.at / "gated_parallel_again"
        run(sys.executable, example / "make_checkpoint.py", folder)
        again = json.loads(run(sys.executable, example / "reference.py", folder).stdout)
        stored = json.loads((example / "reference.json").read_text(encoding="utf-8"))
        for a, b in zip(again, stored, strict=True):
            self.assertEqual((a["ids"], a["argmax"]), (b["ids"], b["argmax"]))
            for x, y in zip(a["logits"], b["logits"], strict=True):
                self.assertAlmostEqual(x, y, delta=1e-6 * b["std"])

    def test_custom_model_says_what_is_wrong(self):
        wrong = run(self.program("custom_model"), DATA / "golden" / "models" / "no-such-model", 1, "1",
                    code=1)
        self.assertIn("no-such-model", wrong.stderr)
        # tandem itself does not know the family, and says so.
        folder = self.at / "unknown"
        run(sys.executable, ROOT / "examples" / "custom_model" / "make_checkpoint.py", folder)
        refused = run(pathlib.Path(ARGS.build) / "tandem", "inspect", folder, code=2)
        self.assertIn("GatedParallelForCausalLM", refused.stderr)
        self.assertIn("LlamaForCausalLM", refused.stderr)

    def test_a_worker_with_other_families_refuses(self):
        folder = self.at / "gated_parallel_forgotten"
        run(sys.executable, ROOT / "examples" / "custom_model" / "make_checkpoint.py", folder)
        project = self.at / "forgotten"
        shutil.copytree(ROOT / "examples" / "custom_model", project)
        text = (project / "main.cc").read_text(encoding="utf-8")
        self.assertIn("run_if_worker(argc, argv, families)", text)
        (project / "main.cc").write_text(
            text.replace("run_if_worker(argc, argv, families)", "run_if_worker(argc, argv)"),
            encoding="utf-8")
        self.build(project)
        refused = run(project / "build" / "custom_model", folder, 2, "1,2", code=1)
        self.assertIn("rank 1", refused.stderr)
        self.assertIn("the same Families as EngineOptions", refused.stderr)

    def talking(self, template):
        """A small reference model with a vocabulary, as a base or as a chat checkpoint."""
        folder = self.at / ("chat" if template else "base")
        shutil.copytree(DATA / "golden" / "models" / "qwen3-gqa-bf16", folder)
        shutil.copy(DATA / "tokenizers" / "byte_level" / "tokenizer.json", folder)
        if template:
            (folder / "chat_template.jinja").write_text(
                "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}answer:",
                encoding="utf-8")
        return folder

    def test_embed_streams_what_generate_prints(self):
        for template in (False, True):
            folder = self.talking(template)
            text = "say \"hello\""
            expected = run(pathlib.Path(ARGS.build) / "tandem", "generate", "--model_path", folder,
                           "--chat" if template else "--prompt", text, "--max_new_tokens", 64)
            for world_size in (1, 2):
                found = run(self.program("embed"), folder, world_size, text)
                self.assertEqual(found.stdout, expected.stdout)
            self.assertGreater(len(expected.stdout), 5)

    def test_embed_is_short(self):
        lines = (ROOT / "examples" / "embed" / "main.cc").read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len(lines), 50)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="a build folder of tandem, built")
    parser.add_argument("--compiler", default="c++")
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], "-v", *rest])
