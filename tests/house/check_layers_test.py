"""check_layers.py finds each kind of breach in a small made-up tree, and nothing in a clean one."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_layers.py"
CLEAN = {
    "include/tandem/error.h": "#include <string>\n",
    "src/base/check.h": '#include <fmt/format.h>\n#include "tandem/error.h"\n',
    "src/tensor/dtype.h": '#include "base/check.h"\n',
    "src/comm/communicator.h": '#include "tensor/dtype.h"\n',
    "src/parallel/linear.h": '#include "tensor/dtype.h"\n',
    "src/parallel/linear.cc": '#include "comm/communicator.h"\n#include "parallel/linear.h"\n',
    "src/nn/block.cc": '#include "parallel/linear.h"\n',
}


def run(changes):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**CLEAN, **changes}.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, str(SCRIPT), "--root", folder],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class CheckLayers(unittest.TestCase):
    def expect_breach(self, changes, words):
        code, output = run(changes)
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_clean_tree(self):
        code, output = run({})
        self.assertEqual((code, output), (0, "check_layers: 7 files, 0 breaches\n"))

    def test_direct(self):
        self.expect_breach({"src/base/x.cc": '#include "tensor/dtype.h"\n'},
                           "base/ may not include tensor/")

    def test_through_a_header(self):
        self.expect_breach({"src/parallel/linear.h": '#include "comm/communicator.h"\n'},
                           "src/nn/block.cc: nn/ may not include comm/: "
                           "src/parallel/linear.h -> src/comm/communicator.h")

    def test_public_header_stays_public(self):
        self.expect_breach({"include/tandem/error.h": '#include "base/check.h"\n'},
                           "a public header includes a private one")

    def test_siblings(self):
        self.expect_breach({"src/comm/shm/a.h": "", "src/comm/mpi/b.cc": '#include "comm/shm/a.h"\n'},
                           "comm/mpi/ and comm/shm/ may not know each other")

    def test_library_in_the_wrong_place(self):
        self.expect_breach({"src/text/a.cc": "#include <nlohmann/json.hpp>\n"},
                           "<nlohmann/json.hpp> belongs in src/json/json.cc")

    def test_flat_and_unknown_folders(self):
        self.expect_breach({"src/a.cc": ""}, "no file lies directly in src/")
        self.expect_breach({"src/misc/a.cc": ""}, "not in the table of folders")

    def test_relative_include(self):
        self.expect_breach({"src/tensor/b.cc": '#include "dtype.h"\n'}, "written from there")


if __name__ == "__main__":
    unittest.main()
