// A program with a model family of its own:
//   custom_model DIR WORLD_SIZE 1,2,3
// prints the digest of all logits of the prompt, and those of its last id, as JSON.
#include <tandem/engine.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "gated_parallel.h"

namespace {

int run(char** argv, const tandem::Families& families) {
  tandem::EngineOptions options;
  options.model_path = argv[1];
  options.world_size = std::atoi(argv[2]);
  options.families = families;
  const auto engine = tandem::Engine::load(options);

  tandem::Request request;
  std::istringstream list(argv[3]);
  for (std::string id; std::getline(list, id, ',');) request.prompt_ids.push_back(std::stoi(id));
  request.score = request.digest = request.logits_last = true;
  const tandem::RequestResult result = engine->run(request);
  if (!result.status.ok) throw tandem::Error(result.status.code, result.status.message);

  std::printf("{\"digest\": \"%016" PRIx64 "\", \"argmax\": [", result.digest);
  for (size_t i = 0; i < result.argmax.size(); ++i)
    std::printf("%s%d", i == 0 ? "" : ", ", result.argmax[i]);
  std::printf("], \"logits\": [");
  for (size_t i = 0; i < result.logits_last.size(); ++i)
    std::printf("%s%.9g", i == 0 ? "" : ", ", static_cast<double>(result.logits_last[i]));
  std::printf("]}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    tandem::Families families;
    families.register_family(gated_parallel_family());
    tandem::run_if_worker(argc, argv, families);  // returns in rank 0 alone
    if (argc != 4) {
      std::fprintf(stderr, "use: custom_model DIR WORLD_SIZE 1,2,3\n");
      return 2;
    }
    return run(argv, families);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "custom_model: error: %s\n", error.what());
    return 1;
  }
}
