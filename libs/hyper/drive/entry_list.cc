#include "hyper/drive/entry_list.h"

#include <string>
#include <utility>

#include "hyper/drive/drive_path.h"

namespace hnx::hyper {

namespace {

Result<DriveEntry> ToDriveEntry(const BeeEntry& entry) {
  auto path = DecodeDriveBeeKey(entry.key);
  if (!path) {
    return DataLoss(path.error().message);
  }
  const std::string object = "entry " + *path;
  auto decoded = DecodeDriveEntryJson(*std::move(path), entry.value);
  if (!decoded) {
    return DataLoss(object + ": " + decoded.error().message);
  }
  return *std::move(decoded);
}

class EntryList : public DriveList {
 public:
  explicit EntryList(BeeRange range) : range_(std::move(range)) {}

  Result<std::optional<DriveEntry>> Next() override {
    HNX_ASSIGN_OR_RETURN(const auto entry, range_.Next());
    if (!entry) {
      return std::optional<DriveEntry>();
    }
    HNX_ASSIGN_OR_RETURN(DriveEntry decoded, ToDriveEntry(*entry));
    return std::optional<DriveEntry>(std::move(decoded));
  }

 private:
  BeeRange range_;
};

}  // namespace

Result<std::optional<DriveEntry>> FindDriveEntry(const BeeSnapshot& bee, std::string_view path) {
  HNX_ASSIGN_OR_RETURN(const std::string normal, NormalizeDrivePath(path));
  HNX_ASSIGN_OR_RETURN(const auto entry, bee.Get(EncodeDriveBeeKey(normal)));
  if (!entry) {
    return std::optional<DriveEntry>();
  }
  HNX_ASSIGN_OR_RETURN(DriveEntry decoded, ToDriveEntry(*entry));
  return std::optional<DriveEntry>(std::move(decoded));
}

Result<std::unique_ptr<DriveList>> ListDriveEntries(const BeeSnapshot& bee,
                                                    std::string_view folder) {
  HNX_ASSIGN_OR_RETURN(const std::string normal, NormalizeDriveFolder(folder));
  BeeRangeOptions range;
  range.gt = EncodeDriveBeeKey(normal + '/');
  range.lt = EncodeDriveBeeKey(normal + static_cast<char>('/' + 1));
  return std::unique_ptr<DriveList>(std::make_unique<EntryList>(bee.Range(std::move(range))));
}

}  // namespace hnx::hyper
