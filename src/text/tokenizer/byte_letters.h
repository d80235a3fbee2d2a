// Byte-level vocabularies spell every byte as one printable letter (GPT-2's table).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

/// The letter of a byte: the byte's own character where that is printable and no space (! to ~,
/// U+00A1 to U+00AC, U+00AE to U+00FF), else U+0100 and on, in the order of the bytes.
char32_t byte_letter(uint8_t byte);
/// The byte of a letter, or -1 when it is none of the 256.
int byte_of_letter(char32_t letter);

std::string to_byte_letters(std::string_view bytes);
/// Appends the bytes that `letters` (valid UTF-8) spells and returns true; false, with nothing
/// appended, when some character is no byte's letter.
bool append_bytes_of_letters(std::string_view letters, std::string& out);

}  // namespace tandem
