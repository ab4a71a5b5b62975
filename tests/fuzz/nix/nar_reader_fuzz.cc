// The canonical form has one spelling: what the reader accepts, the writer must write again byte
// for byte; and how the input is cut must make no difference.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "nix/nar_reader.h"
#include "nix/nar_writer.h"

namespace hnx::nix {
namespace {

class Rewriter final : public NarVisitor {
 public:
  explicit Rewriter(std::string& out)
      : writer_([&out](ByteView bytes) {
          out.append(AsText(bytes));
          return Result<void>{};
        }) {}

  Result<void> OnDirectory() override { return writer_.BeginDirectory(); }
  Result<void> OnDirectoryEnd() override { return writer_.EndDirectory(); }
  Result<void> OnEntry(std::string_view name) override { return writer_.Entry(name); }
  Result<void> OnSymlink(std::string_view target) override { return writer_.Symlink(target); }
  Result<void> OnRegular(bool executable, std::uint64_t size) override {
    return writer_.BeginRegular(executable, size);
  }
  Result<void> OnContents(ByteView piece) override { return writer_.Contents(piece); }
  Result<void> OnRegularEnd() override { return writer_.EndRegular(); }

 private:
  NarWriter writer_;
};

bool Accepts(ByteView nar, std::size_t chunk, NarVisitor* visitor) {
  NarReader reader(visitor);
  while (!nar.empty()) {
    const std::size_t taken = std::min(chunk, nar.size());
    if (!reader.Feed(nar.first(taken)).has_value()) {
      return false;
    }
    nar = nar.subspan(taken);
  }
  return reader.Finish().has_value();
}

}  // namespace
}  // namespace hnx::nix

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hnx::ByteView nar(reinterpret_cast<const std::byte*>(data), size);
  std::string written;
  hnx::nix::Rewriter rewriter(written);
  const bool accepted = hnx::nix::Accepts(nar, size, &rewriter);
  HNX_CHECK(!accepted || written == hnx::AsText(nar));
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    HNX_CHECK(hnx::nix::Accepts(nar, chunk, nullptr) == accepted);
  }
  return 0;
}
