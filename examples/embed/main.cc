// tandem as a library: load a checkpoint over some ranks, ask, print the answer as it comes.
//   embed DIR WORLD_SIZE "What is the capital of France?"
#include <tandem/engine.h>

#include <cstdio>
#include <cstdlib>

/// The question as a conversation, if the checkpoint knows conversations, else as text to go on
/// from.
static std::vector<int32_t> encode(const std::string& folder, const tandem::Engine& engine,
                                   const std::string& question) {
  const auto prompter = tandem::ChatPrompter::load(folder);
  if (prompter == nullptr) return engine.tokenizer()->encode(question);
  std::string text;
  for (const char c : question)
    text += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  const std::string messages = "[{\"role\": \"user\", \"content\": \"" + text + "\"}]";
  return prompter->prompt(messages, *engine.tokenizer()).ids;
}

int main(int argc, char** argv) try {
  tandem::run_if_worker(argc, argv);  // first: the other ranks are this program once more
  if (argc != 4) {
    std::fprintf(stderr, "use: embed DIR WORLD_SIZE QUESTION\n");
    return 2;
  }
  tandem::EngineOptions options;
  options.model_path = argv[1];
  options.world_size = std::atoi(argv[2]);
  const auto engine = tandem::Engine::load(options);  // needs a tokenizer in the folder

  tandem::Request request;
  request.prompt_ids = encode(argv[1], *engine, argv[3]);
  request.sampling = engine->info().sampling;
  request.end_ids = engine->info().end_ids;
  request.max_new_tokens = 64;
  const auto result = engine->run(request, [](int32_t, const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  });
  std::puts("");
  if (!result.status.ok) throw tandem::Error(result.status.code, result.status.message);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "embed: error: %s\n", error.what());
  return 1;
}
