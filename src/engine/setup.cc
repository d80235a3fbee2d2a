#include "engine/setup.h"

#include "json/json.h"

namespace tandem {

std::vector<std::byte> encode_setup(const RankSetup& s) {
  Json::Object o;
  o.emplace_back("model_path", s.model_path);
  o.emplace_back("architectures", Json::Array(s.architectures.begin(), s.architectures.end()));
  o.emplace_back("device", s.device);
  o.emplace_back("isa", s.isa);
  o.emplace_back("threads", s.threads);
  o.emplace_back("compute", static_cast<int>(s.decoder.compute));
  o.emplace_back("cache", static_cast<int>(s.decoder.cache));
  o.emplace_back("quantize", static_cast<int>(s.decoder.quantize));
  o.emplace_back("blocks", s.decoder.blocks);
  o.emplace_back("max_rows", s.decoder.max_rows);
  o.emplace_back("max_logit_rows", s.decoder.max_logit_rows);
  o.emplace_back("time_limit_s", s.time_limit_s);
  o.emplace_back("mc2", static_cast<int>(s.mc2));
  o.emplace_back("time_ops", s.time_ops);
  const std::string text = Json(std::move(o)).dump();
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

RankSetup decode_setup(const std::vector<std::byte>& bytes) {
  const Json json =
      Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "setup message");
  const JsonReader r(json, "setup message");
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  RankSetup s;
  s.model_path = r.string("model_path");
  for (const Json& name : r.array("architectures")) s.architectures.push_back(name.string());
  s.device = r.string("device");
  s.isa = r.string("isa");
  s.threads = static_cast<int>(r.integer("threads", 1, 4096));
  s.decoder.compute = static_cast<DType>(r.integer("compute", 0, 2));
  s.decoder.cache = static_cast<DType>(r.integer("cache", 0, 3));
  s.decoder.quantize = static_cast<WeightFormat>(r.integer("quantize", 0, kWeightFormats - 1));
  s.decoder.blocks = r.integer("blocks", 1, kAny);
  s.decoder.max_rows = r.integer("max_rows", 1, kAny);
  s.decoder.max_logit_rows = r.integer("max_logit_rows", 1, kAny);
  s.time_limit_s = r.number("time_limit_s", 0, 1e9);
  s.mc2 = static_cast<Mc2Mode>(r.integer("mc2", 0, 2));
  s.time_ops = r.boolean_or("time_ops", false);
  return s;
}

}  // namespace tandem
