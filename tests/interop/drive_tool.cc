// drive_tool FOLDER < script: executes a script on the store in FOLDER, for the tests that take
// turns with JavaScript. One operation a line, words separated by blanks; "-" is an empty word.
//
//   create PRIMARY_KEY_HEX      makes the store and its drive     open      opens both
//   put PATH SEED SIZE          a generated file, in the batch    stream PATH SEED SIZE  the same,
//   streamed link PATH LINKNAME JSON     del PATH                          exec PATH SEED SIZE
//   executable commit                      ends the batch                    clear PATH punches the
//   blob bee NAME                    opens the named core as a Hyperbee bput KEY VALUE   bdel KEY
//   bcommit                           bbulk COUNT            keys k0000000... list "<path>\t<entry
//   JSON>" lines      blist                  "<key>\t<value>" lines sums "<path>\t<FNV-1a of the
//   content>" lines audit                       "clean" or the findings           head the drive's
//   head
//
// Ends with status 0, or with 1 and a message on stderr at the first failure.
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/hex.h"
#include "hyper/bee/hyperbee.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::hyper {
namespace {

using Words = std::vector<std::string>;

// The same generator as in js/lib.mjs.
std::string Generate(unsigned seed, std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = seed * 2654435761U + 1;
  for (char& c : bytes) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

std::uint32_t Fnv1a(ByteView bytes, std::uint32_t sum = 2166136261U) {
  for (const std::byte b : bytes) {
    sum = (sum ^ std::to_integer<std::uint32_t>(b)) * 16777619U;
  }
  return sum;
}

std::string Word(const std::string& word) {
  return word == "-" ? std::string() : word;
}

class Tool {
 public:
  explicit Tool(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Result<void> Execute(const Words& words);

 private:
  Result<void> Create(const Words& words);
  Result<void> Open(const Words& words);
  Result<void> Put(const Words& words);
  Result<void> Stream(const Words& words);
  Result<void> Link(const Words& words);
  Result<void> Del(const Words& words);
  Result<void> Commit(const Words& words);
  Result<void> Clear(const Words& words);
  Result<void> Bee(const Words& words);
  Result<void> BeePut(const Words& words);
  Result<void> BeeDel(const Words& words);
  Result<void> BeeCommit(const Words& words);
  Result<void> BeeBulk(const Words& words);
  Result<void> List(const Words& words);
  Result<void> BeeList(const Words& words);
  Result<void> Sums(const Words& words);
  Result<void> Audit(const Words& words);
  Result<void> Head(const Words& words);

  Result<DriveBatch*> Batch();
  BeeBatch& OpenBeeBatch();

  std::filesystem::path folder_;
  std::unique_ptr<Corestore> store_;
  std::unique_ptr<Hyperdrive> drive_;
  std::unique_ptr<DriveBatch> batch_;
  std::unique_ptr<Hypercore> bee_core_;
  std::unique_ptr<Hyperbee> bee_;
  std::optional<BeeBatch> bee_batch_;
};

Result<void> Tool::Execute(const Words& words) {
  struct Verb {
    std::size_t words;
    Result<void> (Tool::*run)(const Words&);
  };
  static const std::map<std::string, Verb> verbs = {
      {"create", {2, &Tool::Create}},     {"open", {1, &Tool::Open}},
      {"put", {4, &Tool::Put}},           {"exec", {4, &Tool::Put}},
      {"stream", {4, &Tool::Stream}},     {"link", {4, &Tool::Link}},
      {"del", {2, &Tool::Del}},           {"commit", {1, &Tool::Commit}},
      {"clear", {2, &Tool::Clear}},       {"bee", {2, &Tool::Bee}},
      {"bput", {3, &Tool::BeePut}},       {"bdel", {2, &Tool::BeeDel}},
      {"bcommit", {1, &Tool::BeeCommit}}, {"bbulk", {2, &Tool::BeeBulk}},
      {"list", {1, &Tool::List}},         {"blist", {1, &Tool::BeeList}},
      {"sums", {1, &Tool::Sums}},         {"audit", {1, &Tool::Audit}},
      {"head", {1, &Tool::Head}},
  };
  const auto verb = verbs.find(words.front());
  if (verb == verbs.end() || verb->second.words != words.size()) {
    return InvalidArgument("no such operation, or another number of words");
  }
  return (this->*verb->second.run)(words);
}

Result<void> Tool::Create(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const Bytes raw, DecodeHex(words[1]));
  PrimaryKey key{};
  if (raw.size() != key.size()) {
    return InvalidArgument("a primary key has 32 bytes");
  }
  std::copy(raw.begin(), raw.end(), key.begin());
  HNX_ASSIGN_OR_RETURN(store_, Corestore::Create(folder_, key));
  HNX_ASSIGN_OR_RETURN(drive_, Hyperdrive::OpenOrCreate(*store_));
  return {};
}

Result<void> Tool::Open(const Words& /*words*/) {
  HNX_ASSIGN_OR_RETURN(store_, Corestore::Open(folder_));
  HNX_ASSIGN_OR_RETURN(drive_, Hyperdrive::OpenOrCreate(*store_));
  return {};
}

Result<DriveBatch*> Tool::Batch() {
  if (batch_ == nullptr) {
    HNX_ASSIGN_OR_RETURN(batch_, drive_->BeginBatch());
  }
  return batch_.get();
}

Result<void> Tool::Put(const Words& words) {
  HNX_ASSIGN_OR_RETURN(DriveBatch* const batch, Batch());
  const std::string content =
      Generate(static_cast<unsigned>(std::stoul(words[2])), std::stoul(words[3]));
  HNX_TRY(batch->Put(words[1], AsBytes(content), {words[0] == "exec", "null"}));
  return {};
}

Result<void> Tool::Stream(const Words& words) {
  HNX_ASSIGN_OR_RETURN(DriveBatch* const batch, Batch());
  const std::string content =
      Generate(static_cast<unsigned>(std::stoul(words[2])), std::stoul(words[3]));
  HNX_ASSIGN_OR_RETURN(DriveWriteStream stream, batch->OpenWrite(words[1]));
  constexpr std::size_t kOddPiece = 12'345;
  for (std::size_t at = 0; at < content.size(); at += kOddPiece) {
    HNX_TRY(stream.Write(AsBytes(std::string_view(content).substr(at, kOddPiece))));
  }
  HNX_TRY(stream.Finish());
  return {};
}

Result<void> Tool::Link(const Words& words) {
  HNX_ASSIGN_OR_RETURN(DriveBatch* const batch, Batch());
  return batch->Symlink(words[1], words[2], words[3]);
}

Result<void> Tool::Del(const Words& words) {
  HNX_ASSIGN_OR_RETURN(DriveBatch* const batch, Batch());
  return batch->Del(words[1]);
}

Result<void> Tool::Commit(const Words& /*words*/) {
  HNX_ASSIGN_OR_RETURN(DriveBatch* const batch, Batch());
  HNX_TRY(batch->Commit());
  batch_.reset();
  return {};
}

Result<void> Tool::Clear(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const auto entry, drive_->Entry(words[1]));
  if (!entry || !entry->blob) {
    return NotFound("no such file");
  }
  return drive_->Clear(*entry->blob);
}

Result<void> Tool::Bee(const Words& words) {
  HNX_ASSIGN_OR_RETURN(bee_core_, store_->OpenOrCreateNamed(words[1]));
  bee_ = std::make_unique<Hyperbee>(*bee_core_);
  return {};
}

BeeBatch& Tool::OpenBeeBatch() {
  if (!bee_batch_) {
    bee_batch_.emplace(bee_->Batch());
  }
  return *bee_batch_;
}

Result<void> Tool::BeePut(const Words& words) {
  return OpenBeeBatch().Put(AsBytes(words[1]), AsBytes(Word(words[2])));
}

Result<void> Tool::BeeDel(const Words& words) {
  HNX_TRY(OpenBeeBatch().Del(AsBytes(words[1])));
  return {};
}

Result<void> Tool::BeeCommit(const Words& /*words*/) {
  OpenBeeBatch();
  HNX_TRY(bee_->Write(*std::move(bee_batch_)));
  bee_batch_.reset();
  return {};
}

Result<void> Tool::BeeBulk(const Words& words) {
  std::uint64_t next = 0;
  HNX_TRY(bee_->BulkLoad(std::stoull(words[1]), [&]() -> Result<std::pair<Bytes, Bytes>> {
    const std::uint64_t i = next++;
    return std::pair(ToBytes(fmt::format("k{:07}", i)), ToBytes(fmt::format("bulk{}", i)));
  }));
  return {};
}

Result<void> Tool::List(const Words& /*words*/) {
  HNX_ASSIGN_OR_RETURN(const auto list, drive_->List("/"));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return {};
    }
    HNX_ASSIGN_OR_RETURN(const std::string json, EncodeDriveEntryJson(*entry));
    std::cout << entry->path << '\t' << json << '\n';
  }
}

Result<void> Tool::BeeList(const Words& /*words*/) {
  BeeRange range = bee_->Range({});
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, range.Next());
    if (!entry) {
      return {};
    }
    std::cout << AsText(entry->key) << '\t' << AsText(entry->value) << '\n';
  }
}

// As another process would: through the reader.
Result<void> Tool::Sums(const Words& /*words*/) {
  HNX_ASSIGN_OR_RETURN(const auto reader, DriveReader::Open({folder_, std::nullopt}));
  HNX_ASSIGN_OR_RETURN(const auto list, reader->List("/"));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return {};
    }
    if (!entry->blob) {
      continue;
    }
    std::uint32_t sum = Fnv1a({});
    const auto read = reader->ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                                       [&](ByteView piece) -> Result<void> {
                                         sum = Fnv1a(piece, sum);
                                         return {};
                                       });
    if (!read && read.error().code != ErrorCode::kNotFound) {
      return read.error();
    }
    std::cout << entry->path << '\t' << (read ? std::to_string(sum) : "cleared") << '\n';
  }
}

Result<void> Tool::Audit(const Words& /*words*/) {
  HNX_ASSIGN_OR_RETURN(const auto reader, DriveReader::Open({folder_, std::nullopt}));
  HNX_ASSIGN_OR_RETURN(const DriveAudit audit, reader->Audit());
  for (const std::string& finding : audit.findings) {
    std::cout << finding << '\n';
  }
  std::cout << (audit.clean() ? "clean\n" : "");
  return {};
}

Result<void> Tool::Head(const Words& /*words*/) {
  const DriveHead head = drive_->head();
  std::cout << drive_->key().hex() << ' ' << drive_->content_key().hex() << ' ' << head.db_length
            << ' ' << head.db_tree_hash.ToHex() << ' ' << head.content_length << ' '
            << head.content_byte_length << ' ' << head.content_tree_hash.ToHex() << '\n';
  return {};
}

int Main(const std::filesystem::path& folder) {
  Tool tool(folder);
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    std::istringstream text(line);
    Words words;
    for (std::string word; text >> word;) {
      words.push_back(word);
    }
    if (words.empty()) {
      continue;
    }
    if (const auto done = tool.Execute(words); !done) {
      std::cerr << "line " << number << " (" << line << "): " << done.error().ToString() << '\n';
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace hnx::hyper

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: drive_tool FOLDER < SCRIPT\n";
    return 2;
  }
  return hnx::hyper::Main(argv[1]);
}
