// Encodes the documents of a file on request: one round for every line on standard input, with the
// seconds of processor time and the number of ids as the answer. Driven by compare_tokenizers.py,
// which takes turns.
//   tokenizer_speed FOLDER FILE      documents end with a byte 0
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tandem/text.h"

namespace {

/// Processor time of this program, which other work on the machine does not prolong.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::vector<std::string> read_documents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> documents;
  for (std::string text; std::getline(file, text, '\0');) documents.push_back(text);
  return documents;
}

void run(const char* folder, const char* path) {
  const double start = processor_seconds();
  const auto tokenizer = tandem::Tokenizer::load(folder);
  std::printf("%.6f\n", processor_seconds() - start);
  std::fflush(stdout);
  const auto documents = read_documents(path);
  tandem::EncodeOptions options;
  options.add_special_tokens = false;
  for (std::string line; std::getline(std::cin, line);) {
    size_t ids = 0;
    const double begin = processor_seconds();
    for (const std::string& text : documents) ids += tokenizer->encode(text, options).size();
    std::printf("%.6f %zu\n", processor_seconds() - begin, ids);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenizer_speed FOLDER FILE\n");
    return 2;
  }
  try {
    run(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_speed: %s\n", error.what());
    return 1;
  }
}
