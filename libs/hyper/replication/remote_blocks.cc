#include "hyper/replication/remote_blocks.h"

#include <algorithm>
#include <bit>

namespace hnx::hyper {
namespace {

// Bits [from, to) of a word, to <= 64.
std::uint64_t MaskOf(std::uint64_t from, std::uint64_t to) {
  const std::uint64_t below_to = to >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1;
  return below_to & ~((std::uint64_t{1} << from) - 1);
}

}  // namespace

const RemoteBlocks::Page* RemoteBlocks::FindPage(std::uint64_t number) const {
  const auto found = pages_.find(number);
  return found == pages_.end() ? nullptr : found->second.get();
}

RemoteBlocks::Page* RemoteBlocks::MakePage(std::uint64_t number) {
  const auto found = pages_.find(number);
  if (found != pages_.end()) {
    return found->second.get();
  }
  if (pages_.size() >= kRemotePagesMax) {
    return nullptr;
  }
  return pages_.emplace(number, std::make_unique<Page>(Page{})).first->second.get();
}

bool RemoteBlocks::Has(BlockIndex block) const {
  if (block.value() < contiguous_) {
    return true;
  }
  const Page* page = FindPage(block.value() / kBitsPerPage);
  const std::uint64_t bit = block.value() % kBitsPerPage;
  return page != nullptr && ((*page)[bit / 64] >> (bit % 64) & 1) != 0;
}

BlockIndex RemoteBlocks::NextPresent(BlockRange range) const {
  if (range.empty() || range.begin.value() < contiguous_) {
    return range.begin;
  }
  for (auto page = pages_.lower_bound(range.begin.value() / kBitsPerPage); page != pages_.end();
       ++page) {
    const std::uint64_t first = page->first * kBitsPerPage;
    if (first >= range.end.value()) {
      break;
    }
    const std::uint64_t from = std::max(first, range.begin.value()) - first;
    for (std::uint64_t word = from / 64; word < kWordsPerPage; ++word) {
      std::uint64_t bits = (*page->second)[word];
      if (word == from / 64) {
        bits &= MaskOf(from % 64, 64);
      }
      if (bits != 0) {
        const auto low = static_cast<std::uint64_t>(std::countr_zero(bits));
        return std::min(BlockIndex(first + word * 64 + low), range.end);
      }
    }
  }
  return range.end;
}

void RemoteBlocks::SetInPages(BlockRange range, bool present) {
  std::uint64_t at = range.begin.value();
  while (at < range.end.value()) {
    const std::uint64_t number = at / kBitsPerPage;
    const std::uint64_t first = number * kBitsPerPage;
    const std::uint64_t end = std::min(first + kBitsPerPage, range.end.value());
    Page* page = nullptr;
    if (present) {
      page = MakePage(number);
      if (page == nullptr) {
        return;  // full: the rest is taken as absent
      }
    } else {
      const auto found = pages_.lower_bound(number);
      if (found == pages_.end() || found->first * kBitsPerPage >= range.end.value()) {
        return;
      }
      if (found->first != number) {
        at = found->first * kBitsPerPage;
        continue;
      }
      page = found->second.get();
    }
    for (std::uint64_t bit = at - first; bit < end - first;) {
      const std::uint64_t word_end = std::min((bit / 64 + 1) * 64, end - first);
      const std::uint64_t mask = MaskOf(bit % 64, word_end - bit / 64 * 64);
      std::uint64_t& word = (*page)[bit / 64];
      word = present ? word | mask : word & ~mask;
      bit = word_end;
    }
    at = end;
  }
}

void RemoteBlocks::GrowContiguous() {
  for (;;) {
    const Page* page = FindPage(contiguous_ / kBitsPerPage);
    if (page == nullptr) {
      break;
    }
    const std::uint64_t bit = contiguous_ % kBitsPerPage;
    const auto ones = static_cast<std::uint64_t>(std::countr_one((*page)[bit / 64] >> (bit % 64)));
    contiguous_ += ones;
    if (ones < 64 - bit % 64) {
      break;
    }
  }
  pages_.erase(pages_.begin(), pages_.lower_bound(contiguous_ / kBitsPerPage));
}

void RemoteBlocks::CutContiguous(std::uint64_t end, std::uint64_t keep_until) {
  const std::uint64_t had = contiguous_;
  contiguous_ = std::min(contiguous_, end);
  if (had > keep_until) {
    SetInPages({BlockIndex(std::max(end, keep_until)), BlockIndex(had)}, true);
  }
}

void RemoteBlocks::Set(BlockRange range, bool present) {
  if (range.empty()) {
    return;
  }
  if (present && range.begin.value() <= contiguous_) {
    contiguous_ = std::max(contiguous_, range.end.value());
    GrowContiguous();
    return;
  }
  if (!present && range.begin.value() < contiguous_) {
    CutContiguous(range.begin.value(), range.end.value());
  }
  SetInPages(range, present);
}

void RemoteBlocks::SetWords(BlockIndex start, std::span<const std::uint32_t> words) {
  if (start.value() < contiguous_) {
    CutContiguous(start.value(), start.value() + words.size() * 32);
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t first = start.value() + i * 32;
    Page* page = nullptr;
    if (words[i] != 0) {
      page = MakePage(first / kBitsPerPage);
    } else if (const auto found = pages_.find(first / kBitsPerPage); found != pages_.end()) {
      page = found->second.get();
    }
    if (page == nullptr) {
      continue;
    }
    const std::uint64_t bit = first % kBitsPerPage;
    std::uint64_t& word = (*page)[bit / 64];
    const unsigned shift = bit % 64;
    word &= ~(std::uint64_t{0xffff'ffff} << shift);
    word |= std::uint64_t{words[i]} << shift;
  }
  GrowContiguous();
}

}  // namespace hnx::hyper
