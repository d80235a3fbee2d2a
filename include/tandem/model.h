// Model families: what a config.json means, as data, and the registry of families. A program that
// adds a family of its own registers it here; docs/add-a-model.md goes through one in full.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace tandem {

class JsonReader;
namespace layers {
class Block;
class Context;
}  // namespace layers

enum class RopeKind { kDefault, kLinear, kDynamic, kLlama3, kYarn, kQwenNtk };

/// Rotary embedding. Formulas and their sources: src/model/rope.cc.
struct RopeSpec {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000;
  int64_t rotary_dim = 0;          ///< channels of a head that are rotated, even
  double factor = 1;               ///< linear, dynamic, llama3, yarn
  int64_t original_positions = 0;  ///< length the model was trained at
  double low_freq_factor = 1;      ///< llama3
  double high_freq_factor = 4;     ///< llama3
  double beta_fast = 32;           ///< yarn
  double beta_slow = 1;            ///< yarn
  double attention_factor = 1;     ///< yarn: multiplies cos and sin
  bool truncate = true;            ///< yarn: whole correction dimensions
  int64_t logn_length =
      0;  ///< Qwen v1: queries beyond it are multiplied by log(p + 1) / log(this); 0: off
};

/// What one side of a weight runs over. The dimensions marked "split" are shared out over ranks.
enum class Dim : uint8_t {
  kNone,           ///< a vector has no input side
  kHidden,         ///< the residual stream: every rank has all of it
  kHeadDim,        ///< one head
  kQueryHeads,     ///< q_heads * head_dim; split
  kKeyValueHeads,  ///< kv_heads * head_dim; split, as the query heads need it
  kQkv,            ///< q, k and v behind each other, each split by its heads
  kFeedForward,    ///< ff; split
  kVocabulary,     ///< split
};

/// What a tensor of the checkpoint is to the model. The sides of all but kOther follow from it.
enum class WeightRole : uint8_t {
  kEmbedding,
  kFinalNorm,
  kHead,  // once
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kFusedQkv,
  kAttentionOut,
  kQueryNorm,
  kKeyNorm,
  kMlpNorm,
  kGate,
  kUp,
  kDown,   // per layer
  kOther,  // what the family's own block uses, with sides as the rule says
};

/// A weight of the checkpoint. Its placement follows from its sides [out, in]: split by outputs
/// (column-parallel) when `out` is a split dimension, by inputs (row-parallel) when `in` is one,
/// else whole on every rank. A bias goes with the outputs.
struct WeightRule {
  WeightRole role = WeightRole::kOther;
  std::string name;   ///< without ".weight" / ".bias"; "{}" stands for the layer
  bool bias = false;  ///< the checkpoint has NAME.bias too, and it is required
  Dim out = Dim::kNone;
  Dim in = Dim::kNone;             ///< kNone: a vector
  bool gather_output = false;      ///< column-parallel, and every rank then gets all outputs
  bool scatter_input = false;      ///< row-parallel over an input that every rank has whole
  std::string suffix = ".weight";  ///< "" for a parameter stored under its bare name
};

enum class NormKind : uint8_t { kRms, kLayer };

/// Makes the block of one layer on this rank.
using BlockFactory = std::function<std::unique_ptr<layers::Block>(layers::Context&)>;

/// What a model is: sizes, switches and the names of its weights. Knows nothing of ranks.
struct ModelSpec {
  std::string family;        ///< "llama", "qwen", ...
  std::string architecture;  ///< as config.json names it; filled in by the library
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t q_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ff = 0;  ///< width of the feed-forward part
  int64_t vocab = 0;
  int64_t max_positions = 0;  ///< prompt + output, scaling included
  double norm_eps = 1e-6;
  NormKind final_norm = NormKind::kRms;
  bool tied = false;        ///< the head is the embedding's matrix: no rule of role kHead
  bool int8_cache = false;  ///< the checkpoint asks for keys and values in int8
  RopeSpec rope;
  std::vector<int64_t> window;  ///< per layer, 0: none; empty: none anywhere
  std::vector<WeightRule> weights;
  std::vector<std::string>
      ignored;               ///< tensors that may be there and are not used ("{}": any layer)
  std::vector<int32_t> eos;  ///< of config.json; generation_config.json comes first
  BlockFactory block;        ///< empty: the decoder block of LLaMA and Qwen

  /// The rule of a role, nullptr when there is none.
  const WeightRule* rule(WeightRole role) const {
    for (const WeightRule& r : weights) {
      if (r.role == role) return &r;
    }
    return nullptr;
  }
  bool has(WeightRole role) const { return rule(role) != nullptr; }
  bool has_bias(WeightRole role) const { return has(role) && rule(role)->bias; }
};

/// config.json, read strictly: each value has limits, and what is wrong is an Error that names file
/// and key, what was found and what was expected.
class ModelConfig {
 public:
  explicit ModelConfig(const JsonReader& reader) : reader_(&reader) {}
  bool has(const std::string& key) const;  ///< present and not null
  int64_t integer(const std::string& key, int64_t min, int64_t max) const;
  int64_t integer_or(const std::string& key, int64_t fallback, int64_t min, int64_t max) const;
  double number(const std::string& key, double min, double max) const;
  double number_or(const std::string& key, double fallback, double min, double max) const;
  bool boolean_or(const std::string& key, bool fallback) const;
  std::string string(const std::string& key) const;
  std::string string_or(const std::string& key, const std::string& fallback) const;
  /// A token id, a list of them, or nothing.
  std::vector<int32_t> token_ids(const std::string& key, int64_t vocab) const;
  /// "config.json: KEY", for messages of one's own.
  std::string where(const std::string& key) const;
  const JsonReader& reader() const { return *reader_; }

 private:
  const JsonReader* reader_;
};

/// All that LLaMA-like configs have in common: sizes, norm, rope with its scalings, ties, end
/// tokens and the usual names (model.layers.{}.self_attn.q_proj ...), without biases. A start for a
/// family that differs in little.
ModelSpec llama_like_spec(const ModelConfig& config, const std::string& family);
/// Sets the bias flag of some roles.
void set_bias(ModelSpec& spec, std::initializer_list<WeightRole> roles);

/// How config.json's architecture becomes a ModelSpec.
struct Family {
  std::string architecture;  ///< config.json: architectures[0]
  std::string model_type;    ///< config.json: model_type
  std::function<ModelSpec(const ModelConfig&)> read;
};

/// The families that a program knows. A value, not a global: given to run_if_worker(), because
/// workers are the same program, and to EngineOptions.
class Families {
 public:
  Families();  ///< those of tandem itself
  /// Adds one. Throws Error(kBadInput) when the architecture is taken or something is empty.
  void register_family(Family family);
  const std::vector<Family>& list() const { return list_; }

 private:
  std::vector<Family> list_;
};

}  // namespace tandem
