// Flushing of denormal numbers, part of the one arithmetic: AMX flushes always, so everybody does.
#pragma once

namespace tandem {

/// Sets flush-to-zero and denormals-are-zero on the calling thread; returns the control word
/// before.
unsigned flush_denormals();
/// Restores a control word that flush_denormals() returned.
void restore_denormals(unsigned control);

/// Flushes denormals while it lives: for work on a thread that belongs to somebody else.
class DenormalsFlushed {
 public:
  DenormalsFlushed() : before_(flush_denormals()) {}
  ~DenormalsFlushed() { restore_denormals(before_); }
  DenormalsFlushed(const DenormalsFlushed&) = delete;
  DenormalsFlushed& operator=(const DenormalsFlushed&) = delete;

 private:
  unsigned before_;
};

}  // namespace tandem
