#include "hyper/core/bitfield.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/bytes.h"

namespace hnx::hyper {
namespace {

constexpr std::uint64_t kBitsPerWord = 64;

bool BitOf(ByteView page, std::uint64_t bit) {
  return ((std::to_integer<unsigned>(page[bit / 8]) >> (bit % 8)) & 1U) != 0;
}

void SetBit(Bytes& page, std::uint64_t bit, bool value) {
  const std::byte mask{static_cast<unsigned char>(1U << (bit % 8))};
  page[bit / 8] = value ? page[bit / 8] | mask : page[bit / 8] & ~mask;
}

// The first bit in [from, to) that is `value`, or `to`.
std::uint64_t FindInPage(ByteView page, bool value, std::uint64_t from, std::uint64_t to) {
  while (from < to) {
    const std::uint64_t word_start = from / kBitsPerWord * kBitsPerWord;
    std::uint64_t word = LoadLe64(page.subspan(word_start / 8, 8));
    word = value ? word : ~word;
    word &= ~std::uint64_t{0} << (from - word_start);
    if (word != 0) {
      return std::min(to, word_start + static_cast<std::uint64_t>(std::countr_zero(word)));
    }
    from = word_start + kBitsPerWord;
  }
  return to;
}

}  // namespace

std::map<BlockIndex, Bitfield::Run>::const_iterator Bitfield::RunAt(BlockIndex block) const {
  auto next = pending_.upper_bound(block);
  if (next == pending_.begin()) {
    return pending_.end();
  }
  const auto run = std::prev(next);
  return run->second.end > block ? run : pending_.end();
}

Result<bool> Bitfield::Has(BlockIndex block) {
  const auto run = RunAt(block);
  if (run != pending_.end()) {
    return run->second.value;
  }
  HNX_ASSIGN_OR_RETURN(const ByteView page, pages_.Page(block.value() / kBitsPerPage));
  return BitOf(page, block.value() % kBitsPerPage);
}

Result<BlockIndex> Bitfield::FindInFile(bool value, BlockRange range) {
  if (value) {
    // Behind the end of the file nothing is there, however long a core claims to be.
    HNX_ASSIGN_OR_RETURN(const std::uint64_t file_bytes, storage_.Size(CoreFile::kBitfield));
    const BlockIndex file_end(file_bytes * 8);
    if (range.begin >= file_end) {
      return range.end;
    }
    if (range.end > file_end) {
      HNX_ASSIGN_OR_RETURN(const BlockIndex found, FindInFile(value, {range.begin, file_end}));
      return found < file_end ? found : range.end;
    }
  }
  BlockIndex at = range.begin;
  while (at < range.end) {
    const std::uint64_t number = at.value() / kBitsPerPage;
    const std::uint64_t page_start = number * kBitsPerPage;
    const std::uint64_t to = std::min(kBitsPerPage, range.end.value() - page_start);
    HNX_ASSIGN_OR_RETURN(const ByteView page, pages_.Page(number));
    const std::uint64_t found = FindInPage(page, value, at.value() - page_start, to);
    at = BlockIndex(page_start + found);
    if (found < to) {
      return at;
    }
  }
  return range.end;
}

Result<BlockIndex> Bitfield::Find(bool value, BlockRange range) {
  BlockIndex at = range.begin;
  while (at < range.end) {
    const auto run = RunAt(at);
    if (run != pending_.end()) {
      if (run->second.value == value) {
        return at;
      }
      at = std::min(range.end, run->second.end);
      continue;
    }
    const auto next = pending_.upper_bound(at);
    const BlockIndex gap_end =
        next == pending_.end() ? range.end : std::min(range.end, next->first);
    HNX_ASSIGN_OR_RETURN(const BlockIndex found, FindInFile(value, {at, gap_end}));
    if (found < gap_end) {
      return found;
    }
    at = gap_end;
  }
  return range.end;
}

Result<std::optional<BlockIndex>> Bitfield::FindLastSet(BlockRange range) {
  BlockIndex end = range.end;
  while (end > range.begin) {
    // A page at a time, of which most that are passed over are empty.
    const BlockIndex page_start((end.value() - 1) / kBitsPerPage * kBitsPerPage);
    const BlockRange page{std::max(page_start, range.begin), end};
    HNX_ASSIGN_OR_RETURN(const BlockIndex first, Find(true, page));
    if (first == page.end) {
      end = page.begin;
      continue;
    }
    for (BlockIndex at = page.end - 1;; at = at - 1) {
      HNX_ASSIGN_OR_RETURN(const bool set, Has(at));
      if (set) {
        return std::optional(at);
      }
    }
  }
  return std::optional<BlockIndex>();
}

void Bitfield::Set(BlockRange range, bool value) {
  if (range.begin >= range.end) {
    return;
  }
  // Cut the runs that reach into the range from either side, drop those inside.
  auto at = pending_.lower_bound(range.begin);
  if (at != pending_.begin()) {
    const auto before = std::prev(at);
    const Run old = before->second;
    if (old.end > range.begin) {
      before->second.end = range.begin;
      if (old.end > range.end) {
        at = pending_.emplace(range.end, old).first;
      }
    }
  }
  while (at != pending_.end() && at->first < range.end) {
    const Run old = at->second;
    at = pending_.erase(at);
    if (old.end > range.end) {
      at = pending_.emplace(range.end, old).first;
    }
  }
  // Appends are the usual case: let the run before grow instead of adding one each time.
  if (at != pending_.begin()) {
    const auto before = std::prev(at);
    if (before->second.end == range.begin && before->second.value == value) {
      before->second.end = range.end;
      return;
    }
  }
  pending_.emplace(range.begin, Run{range.end, value});
}

std::vector<BlockRange> Bitfield::Pending(bool value) const {
  std::vector<BlockRange> ranges;
  for (const auto& [begin, run] : pending_) {
    if (run.value == value) {
      ranges.push_back({begin, run.end});
    }
  }
  return ranges;
}

Result<void> Bitfield::WritePage(std::uint64_t number) {
  HNX_ASSIGN_OR_RETURN(const ByteView before, pages_.Page(number));
  Bytes page = ToBytes(before);
  const std::uint64_t page_start = number * kBitsPerPage;
  const std::uint64_t page_end = page_start + kBitsPerPage;
  auto run = RunAt(BlockIndex(page_start));
  if (run == pending_.end()) {
    run = pending_.lower_bound(BlockIndex(page_start));
  }
  for (; run != pending_.end() && run->first.value() < page_end; ++run) {
    const std::uint64_t from = std::max(page_start, run->first.value());
    const std::uint64_t to = std::min(page_end, run->second.end.value());
    for (std::uint64_t bit = from; bit < to; ++bit) {
      SetBit(page, bit - page_start, run->second.value);
    }
  }
  return storage_.Write(CoreFile::kBitfield, number * PageCache::kPageBytes, page);
}

Result<void> Bitfield::WritePending() {
  std::uint64_t next_page = 0;
  for (const auto& [begin, run] : pending_) {
    const std::uint64_t last = (run.end.value() - 1) / kBitsPerPage;
    for (std::uint64_t number = std::max(next_page, begin.value() / kBitsPerPage); number <= last;
         ++number) {
      HNX_TRY(WritePage(number));
      next_page = number + 1;
    }
  }
  pages_.Drop();
  return {};
}

void Bitfield::Flushed() {
  pending_.clear();
  pages_.Drop();
}

}  // namespace hnx::hyper
