#include "support/talking_folder.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/tandem_json.h"

namespace tandem::test {

namespace fs = std::filesystem;

void replace_in_file(const std::string& path, const std::string& from, const std::string& to) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error(path + " does not hold " + from);
  text.replace(at, from.size(), to);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::string completing_llama(const TempFolder& temp, const std::string& name) {
  const std::string folder = temp.file(name);
  fs::copy(test_data() + "/golden/models/llama-gqa-bf16", folder);
  fs::copy(test_data() + "/tokenizers/metaspace/tokenizer.json", folder);
  replace_in_file(folder + "/config.json", "\"max_position_embeddings\": 256",
                  "\"max_position_embeddings\": 300000");
  return folder;
}

std::string talking_llama(const TempFolder& temp, const std::string& name) {
  const std::string folder = completing_llama(temp, name);
  temp.write(name + "/tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>",
 "chat_template": "{{ bos_token }}{% for m in messages %}{{ m['role'] + ':' + m['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"})");
  return folder;
}

}  // namespace tandem::test
