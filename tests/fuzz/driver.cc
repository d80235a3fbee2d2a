// Runs a fuzz target without libFuzzer: every file of a corpus, then mutations of them. The same
// seed gives the same inputs. An input that ends the program is left in NAME_fuzz.last-input in the
// working directory, and can be given as FILE.
//   NAME_fuzz CORPUS_FOLDER [RUNS [SEED]]      or      NAME_fuzz FILE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxInput = size_t{1} << 16;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Small changes of the kinds that parsers stumble over.
class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string input = corpus_[below(corpus_.size())];
    for (size_t i = 1 + below(4); i > 0; --i) change(input);
    input.resize(std::min(input.size(), kMaxInput));
    return input;
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void change(std::string& input) {
    static const char* const pieces[] = {
        "0",    "-1",       "1e999", "4294967296", "9223372036854775807",
        "null", "true",     "\"\"",  "[]",         "{}",
        "[[",   "{",        "\"",    "\\u0000",    "\\ud800",
        "\xff", "\xf0\x9f", "%}",    "{{",         "}}"};
    const size_t at = below(input.size() + 1);
    const size_t count = std::min(input.size() - at, 1 + below(16));
    const std::string& other = corpus_[below(corpus_.size())];
    switch (below(7)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(random_());
        break;
      case 1:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 2:
        input.erase(at, count);
        break;
      case 3:
        input.insert(at, pieces[below(std::size(pieces))]);
        break;
      case 4:
        input.insert(at, input.substr(at, count));
        break;
      case 5:
        input.resize(at);
        break;
      default:
        input = input.substr(0, at) + other.substr(below(other.size() + 1));
        break;
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

/// A file that holds the input being run, whatever ends the program: its length in the first line,
/// then the bytes, then zeros. It is a mapping, as writing a file for every input would take longer
/// than the input does.
class LastInput {
 public:
  explicit LastInput(std::string path) : path_(std::move(path)) {
    const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || ftruncate(file, kBytes) != 0) std::abort();
    void* mapped = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) std::abort();
    bytes_ = static_cast<char*>(mapped);
  }
  ~LastInput() {
    munmap(bytes_, kBytes);
    fs::remove(path_);
  }
  LastInput(const LastInput&) = delete;
  LastInput& operator=(const LastInput&) = delete;

  void set(const std::string& input) {
    const int head = std::snprintf(bytes_, kHeader, "%zu\n", input.size());
    std::memcpy(bytes_ + head, input.data(), std::min(input.size(), kMaxInput));
  }
  /// Takes the length and the padding off again, when `text` is such a file.
  static std::string unpack(const std::string& text) {
    size_t size = 0;
    int head = 0;
    if (text.size() != kBytes || std::sscanf(text.c_str(), "%zu\n%n", &size, &head) != 1)
      return text;
    return text.substr(text.find('\n') + 1, size);
  }

 private:
  static constexpr size_t kHeader = 32;
  static constexpr size_t kBytes = kMaxInput + kHeader;
  std::string path_;
  char* bytes_ = nullptr;
};

void run_one(const std::string& input, LastInput& last) {
  last.set(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER|FILE [RUNS [SEED]]\n", argv[0]);
    return 2;
  }
  std::vector<fs::path> paths;
  if (fs::is_directory(argv[1])) {
    for (const auto& entry : fs::directory_iterator(argv[1])) paths.push_back(entry.path());
  } else {
    paths.emplace_back(argv[1]);
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const fs::path& path : paths) corpus.push_back(LastInput::unpack(read_file(path)));
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no input there\n", argv[1]);
    return 2;
  }
  const fs::path program = argv[0];
  LastInput last(program.filename().string() + ".last-input");
  for (const std::string& input : corpus) run_one(input, last);
  const long runs = argc > 2 ? std::atol(argv[2]) : 0;
  Mutator mutator(corpus, argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  for (long i = 0; i < runs; ++i) run_one(mutator.next(), last);
  std::printf("%zu inputs, %ld mutations\n", corpus.size(), runs);
  return 0;
}
