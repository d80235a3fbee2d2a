// Broken and hostile checkpoint folders through the command line, at one and two ranks: exit code
// 2, one line on stderr that names the thing, nothing on stdout, no wait, no crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

void replace(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = read(path);
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  write(path, text.replace(at, from.size(), to));
}

/// Rewrites the JSON header of a safetensors file; the bytes behind it stay.
void edit_header(const fs::path& folder, const std::function<void(Json&)>& edit) {
  const fs::path path = folder / "model.safetensors";
  const std::string text = read(path);
  uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  Json header = Json::parse(text.substr(8, length), "header");
  edit(header);
  const std::string edited = header.dump();
  const uint64_t edited_length = edited.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &edited_length, 8);
  write(path, out + edited + text.substr(8 + length));
}

void set_header_text(const fs::path& folder, const std::string& header, uint64_t length) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  write(folder / "model.safetensors", out + header);
}

void edit_config(const fs::path& folder, const std::string& key, const Json& value) {
  Json config = Json::parse_file(folder / "config.json");
  config.set(key, value);
  write(folder / "config.json", config.dump());
}

constexpr char kTensor[] = "model.layers.1.mlp.up_proj.weight";

std::function<void(const fs::path&)> tensor_edit(const std::string& key, const Json& value) {
  return [key, value](const fs::path& folder) {
    edit_header(folder, [&](Json& header) {
      Json entry = *header.find(kTensor);
      entry.set(key, value);
      header.set(kTensor, entry);
    });
  };
}

std::function<void(const fs::path&)> config_edit(const std::string& key, const Json& value) {
  return [key, value](const fs::path& folder) { edit_config(folder, key, value); };
}

std::function<void(const fs::path&)> config_text(const std::string& from, const std::string& to) {
  return [from, to](const fs::path& folder) { replace(folder / "config.json", from, to); };
}

std::function<void(const fs::path&)> index_edit(const std::string& from, const std::string& to) {
  return [from, to](const fs::path& folder) {
    std::string index = read(folder / "model.safetensors.index.json");
    for (size_t at = 0; (at = index.find(from, at)) != std::string::npos; at += to.size())
      index.replace(at, from.size(), to);
    write(folder / "model.safetensors.index.json", index);
  };
}

struct Hostile {
  std::string name;
  std::string word;  // that the message must hold
  std::function<void(const fs::path&)> spoil;
  std::string model = "llama-mha-f32";
};

void PrintTo(const Hostile& h, std::ostream* out) { *out << h.name; }

Json list(std::vector<int64_t> values) {
  Json::Array array;
  for (int64_t v : values) array.emplace_back(v);
  return array;
}

std::vector<Hostile> safetensors_cases() {
  return {
      {"truncated", "model.safetensors",
       [](const fs::path& f) {
         fs::resize_file(f / "model.safetensors", fs::file_size(f / "model.safetensors") - 1000);
       }},
      {"empty_file", "model.safetensors",
       [](const fs::path& f) { write(f / "model.safetensors", ""); }},
      {"seven_bytes", "model.safetensors",
       [](const fs::path& f) { write(f / "model.safetensors", "1234567"); }},
      {"header_beyond_file", "model.safetensors",
       [](const fs::path& f) { set_header_text(f, "{}", 1000); }},
      {"header_of_exabytes", "model.safetensors",
       [](const fs::path& f) { set_header_text(f, "{}", UINT64_MAX); }},
      {"header_not_json", "model.safetensors",
       [](const fs::path& f) { set_header_text(f, "{\"a\":", 5); }},
      {"header_deep", "model.safetensors",
       [](const fs::path& f) {
         const std::string deep(200000, '[');
         set_header_text(f, deep, deep.size());
       }},
      {"header_no_tensors", "model", [](const fs::path& f) { set_header_text(f, "{}", 2); }},
      {"header_duplicate_key", "model.norm.weight",
       [](const fs::path& f) {
         const std::string entry =
             R"("model.norm.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
         const std::string header = "{" + entry + "," + entry + "}";
         set_header_text(f, header, header.size());
       }},
      {"offsets_reversed", kTensor, tensor_edit("data_offsets", list({4096, 0}))},
      {"offsets_negative", kTensor, tensor_edit("data_offsets", list({-4096, 0}))},
      {"offsets_beyond_file", kTensor, tensor_edit("data_offsets", list({0, int64_t{1} << 60}))},
      {"offsets_overlap", "overlap",
       [](const fs::path& f) {
         edit_header(f, [](Json& header) {
           Json entry = *header.find(kTensor);
           entry.set("data_offsets",
                     *header.find("model.layers.0.mlp.up_proj.weight")->find("data_offsets"));
           header.set(kTensor, entry);
         });
       }},
      {"shape_not_bytes", kTensor, tensor_edit("shape", list({172, 63}))},
      {"shape_negative", kTensor, tensor_edit("shape", list({-172, -64}))},
      {"shape_overflows", kTensor,
       tensor_edit("shape", list({int64_t{1} << 62, int64_t{1} << 62}))},
      {"dtype_unknown", kTensor, tensor_edit("dtype", "F13")},
      {"dtype_not_bytes", kTensor, tensor_edit("dtype", "F64")},
      {"shape_of_another_model", kTensor, tensor_edit("shape", list({64, 172}))},
      {"tensor_missing", "hole",
       [](const fs::path& f) {
         edit_header(f, [](Json& header) {
           auto& members = header.object();
           std::erase_if(members, [](const auto& m) { return m.first == kTensor; });
         });
       }},
      {"tensor_renamed", kTensor,
       [](const fs::path& f) {
         edit_header(f, [](Json& header) {
           for (auto& member : header.object())
             if (member.first == kTensor) member.first = "model.layers.1.mlp.sideways.weight";
         });
       }},
      {"only_bin", "convert",
       [](const fs::path& f) { fs::rename(f / "model.safetensors", f / "pytorch_model.bin"); }},
      {"index_absent_file", "model-00009-of-00003.safetensors",
       index_edit("model-00002-of-00003.safetensors", "model-00009-of-00003.safetensors"),
       "llama-gqa-bf16"},
      {"index_outside_folder", "../model-00002-of-00003.safetensors",
       index_edit("model-00002-of-00003.safetensors", "../model-00002-of-00003.safetensors"),
       "llama-gqa-bf16"},
      {"index_not_json", "model.safetensors.index.json",
       [](const fs::path& f) { write(f / "model.safetensors.index.json", "{"); }, "llama-gqa-bf16"},
  };
}

std::vector<Hostile> config_cases() {
  std::vector<Hostile> cases = {
      {"config_absent", "config.json", [](const fs::path& f) { fs::remove(f / "config.json"); }},
      {"config_not_json", "config.json", [](const fs::path& f) { write(f / "config.json", "{"); }},
      {"config_a_list", "config.json", [](const fs::path& f) { write(f / "config.json", "[1]"); }},
      {"config_deep", "config.json",
       [](const fs::path& f) { write(f / "config.json", std::string(100000, '[')); }},
      {"config_twice", "hidden_size", config_text("{", "{\"hidden_size\": 64, ")},
      {"config_nan", "config.json",
       config_text("\"rms_norm_eps\": ", "\"rms_norm_eps\": NaN, \"x\": ")},
      {"eps_negative", "rms_norm_eps", config_edit("rms_norm_eps", -1e-5)},
      {"theta_zero", "rope_theta", config_edit("rope_theta", 0)},
      {"activation_unknown", "quick_gelu", config_edit("hidden_act", "quick_gelu")},
      {"rope_unknown", "spiral",
       config_edit("rope_scaling", Json::parse(R"({"rope_type":"spiral","factor":2.0})", "t"))},
      {"rope_longrope", "longrope",
       config_edit("rope_scaling", Json::parse(R"({"rope_type":"longrope"})", "t"))},
      {"quantized", "gptq",
       config_edit("quantization_config", Json::parse(R"({"quant_method":"gptq"})", "t"))},
      {"type_unknown", "Rwkv7ForCausalLM",
       [](const fs::path& f) {
         edit_config(f, "model_type", "rwkv7");
         edit_config(f, "architectures", Json::Array{Json("Rwkv7ForCausalLM")});
       }},
      {"heads_not_dividing", "num_key_value_heads", config_edit("num_key_value_heads", 3)},
  };
  const Json wrong[] = {Json(0), Json(-1), Json(int64_t{1} << 40), Json("many"), Json(1.5)};
  const char* names[] = {"zero", "negative", "absurd", "text", "fraction"};
  for (const std::string key : {"hidden_size", "num_hidden_layers", "num_attention_heads",
                                "intermediate_size", "vocab_size"}) {
    for (size_t i = 0; i < std::size(wrong); ++i)
      cases.push_back({key + "_" + names[i], key, config_edit(key, wrong[i])});
    cases.push_back({key + "_missing", key, [key](const fs::path& f) {
                       Json config = Json::parse_file(f / "config.json");
                       std::erase_if(config.object(),
                                     [&](const auto& member) { return member.first == key; });
                       write(f / "config.json", config.dump());
                     }});
  }
  return cases;
}

class HostileFolder : public testing::TestWithParam<Hostile> {};

TEST_P(HostileFolder, IsRefusedInOneLine) {
  const Hostile& hostile = GetParam();
  const TempFolder temp;
  const fs::path folder = fs::path(temp.path()) / "model";
  fs::create_directory(folder);
  for (const auto& entry : fs::directory_iterator(test_data() + "/golden/models/" + hostile.model))
    if (entry.path().filename() != "golden.json")
      fs::copy_file(entry.path(), folder / entry.path().filename());
  hostile.spoil(folder);

  for (const char* world_size : {"1", "2"}) {
    Program::Options options;
    options.timeout_s = 20;
    Program program(tandem_binary(),
                    {"score", "--model_path", folder, "--ids", "1,2,3", "--threads", "1",
                     "--world_size", world_size, "--json"},
                    options);
    const Outcome run = program.wait();
    SCOPED_TRACE(hostile.name + " at world size " + world_size);
    EXPECT_FALSE(run.timed_out);
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.exit_code, 2) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_TRUE(run.err.starts_with("tandem: error: ")) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_THAT(run.err, testing::HasSubstr(hostile.word));
    EXPECT_TRUE(all_gone(program, 2));
  }
}

std::string name_of(const testing::TestParamInfo<Hostile>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Safetensors, HostileFolder, testing::ValuesIn(safetensors_cases()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Config, HostileFolder, testing::ValuesIn(config_cases()), name_of);

}  // namespace
}  // namespace tandem::test
