// A template, then a byte 0, then messages as JSON. It renders or is refused with an Error, within
// its limits; small ones here, so that many inputs are tried.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tandem/error.h"
#include "text/chat_template/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  tandem::jinja::Limits limits;
  limits.steps = 50'000;
  limits.memory = size_t{4} << 20;
  limits.output = size_t{1} << 20;
  tandem::ChatTemplate::Input chat;
  chat.messages_json = input.substr(std::min(end + 1, size));
  if (chat.messages_json.empty()) chat.messages_json = R"([{"role": "user", "content": "hi"}])";
  chat.add_generation_prompt = true;
  chat.now = "2024-07-26T09:05:03";
  try {
    const tandem::jinja::Template parsed(input.substr(0, end), "t", limits);
    (void)parsed.render(chat, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  } catch (const tandem::Error&) {  // refused: as it should be
  }
  return 0;
}
