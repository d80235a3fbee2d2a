#include "text/tokenizer/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <limits>

#include "base/check.h"
#include "text/tokenizer/unigram.h"

namespace tandem {
namespace {

/// Appended to a serialized model it sets normalizer_spec.add_dummy_prefix = false: of a field that
/// occurs twice, protobuf lets the later one count (ModelProto.normalizer_spec is field 3, its
/// add_dummy_prefix field 3).
constexpr std::string_view kNoPrefixPatch{"\x1a\x02\x18\x00", 4};

char byte_of_piece(const std::string& piece) {  // <0x..>
  return static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16));
}

}  // namespace

SentencePieceModel::SentencePieceModel(const std::string& serialized, const std::string& path,
                                       bool leading_space)
    : spec_(read_sentencepiece_spec(serialized, path)),
      processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  if (spec_.whitespace_as_suffix)
    unsupported("{}: treat_whitespace_as_suffix is not supported", path);
  std::string model = serialized;
  if (!leading_space) model += kNoPrefixPatch;
  const auto status = processor_->LoadFromSerializedProto(model);
  if (!status.ok()) bad_input("{}: is no SentencePiece model: {}", path, status.ToString());
  unk_surface_ = processor_->DecodeIds(std::vector<int>{processor_->unk_id()});
  if (spec_.unigram && !spec_.user_defined) make_unigram();
}

SentencePieceModel::~SentencePieceModel() = default;

void SentencePieceModel::make_unigram() {
  auto vocabulary = std::make_shared<Vocabulary>();
  std::vector<double> scores(static_cast<size_t>(size()), std::numeric_limits<double>::quiet_NaN());
  UnigramOptions options;
  options.unk = processor_->unk_id();
  options.single_precision = true;
  for (int32_t id = 0; id < size(); ++id) {
    if (!vocabulary->add(piece(id), id)) return;  // the library knows what to do with it
    if (is_byte(id)) options.byte_fallback = true;
    if (!is_byte(id) && !is_control(id) && !is_unknown(id) && !processor_->IsUnused(id))
      scores[static_cast<size_t>(id)] = static_cast<double>(processor_->GetScore(id));
  }
  unigram_ = std::make_unique<UnigramModel>(std::move(vocabulary), std::move(scores), options);
}

/// The text that the library cuts: its pieces, joined.
std::string SentencePieceModel::normalized(std::string_view text) const {
  std::string all;
  const auto encoded = processor_->EncodeAsImmutableProto(text);
  for (const auto& part : encoded.pieces()) {
    if (is_byte(static_cast<int32_t>(part.id()))) {
      all.push_back(byte_of_piece(part.piece()));
    } else {
      all += part.piece();
    }
  }
  return all;
}

void SentencePieceModel::encode(std::string_view text, std::vector<int32_t>& ids) const {
  if (unigram_ != nullptr) {
    unigram_->encode(normalized(text), *unigram_->make_scratch(), ids);
    return;
  }
  std::vector<int> found;
  const auto status = processor_->Encode(text, &found);
  if (!status.ok()) fail(ErrorCode::kInternal, "SentencePiece: {}", status.ToString());
  ids.insert(ids.end(), found.begin(), found.end());
}

int32_t SentencePieceModel::size() const { return processor_->GetPieceSize(); }
const std::string& SentencePieceModel::piece(int32_t id) const { return processor_->IdToPiece(id); }
int32_t SentencePieceModel::find(std::string_view piece) const {
  const int32_t id = processor_->PieceToId(piece);  // of an unknown piece: the unknown token's
  return id >= 0 && id < size() && processor_->IdToPiece(id) == piece ? id : -1;
}
bool SentencePieceModel::is_control(int32_t id) const { return processor_->IsControl(id); }
bool SentencePieceModel::is_unknown(int32_t id) const { return processor_->IsUnknown(id); }
bool SentencePieceModel::is_byte(int32_t id) const { return processor_->IsByte(id); }
int32_t SentencePieceModel::bos() const { return processor_->bos_id(); }
int32_t SentencePieceModel::eos() const { return processor_->eos_id(); }

}  // namespace tandem
