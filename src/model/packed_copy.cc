#include "model/packed_copy.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/file.h"
#include "model/tensors.h"
#include "tensor/tile_layout.h"

namespace hew {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kMagic = "HEWPACK1";
constexpr std::string_view kSuffix = ".packed";
constexpr size_t kPreamble = 8 + 64 + 8;
constexpr uint64_t kMostHeader = uint64_t{16} << 20;
constexpr size_t kSampleBytes = 4096;
constexpr int kLoaderVersion =
    1;  // of what load.cc makes of a file: which rows a weight is made of, and in which order

std::string CopyPath(const PackedCache& cache, const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::canonical(path, error);
  return cache.folder + "/" + Sha256Hex(whole.string()).substr(0, 32) + std::string(kSuffix);
}

// The tiles of every matrix, in the loader's order.
std::vector<const Weight*> WeightsOf(const Model& model) {
  std::vector<const Weight*> weights;
  for (const StoredTensor& tensor : TensorsOf(model.config)) {
    if (!tensor.matrix()) continue;
    for (const ModelPart& part : tensor.parts) weights.push_back(&MatrixOf(model, part));
  }
  return weights;
}

void Sample(Sha256& digest, const std::byte* data, uint64_t bytes) {
  const size_t end = std::min<size_t>(bytes, kSampleBytes);
  digest.Update({reinterpret_cast<const char*>(data), end});
  digest.Update({reinterpret_cast<const char*>(data + bytes - end), end});
}

uint64_t RoundUp64(uint64_t n) { return (n + 63) / 64 * 64; }

// Removes the copies that were not used for longest until `room` more bytes keep within the bound.
void MakeRoom(const PackedCache& cache, uint64_t room) {
  struct Copy {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<Copy> copies;
  std::error_code error;
  uint64_t total = room;
  for (fs::directory_iterator it(cache.folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code one, other;
    if (it->path().extension() != kSuffix) continue;
    copies.push_back({it->last_write_time(one), it->file_size(other), it->path()});
    if (one || other)
      copies.pop_back();
    else
      total += copies.back().bytes;
  }
  std::sort(copies.begin(), copies.end(), [](const Copy& a, const Copy& b) { return a.used < b.used; });
  for (const Copy& copy : copies) {
    if (total <= cache.most_bytes) return;
    if (fs::remove(copy.path, error)) total -= copy.bytes;
  }
}

}  // namespace

std::string PackedIdentity(const std::string& path) {
  std::error_code error;
  std::vector<fs::path> files = {path};
  if (fs::is_directory(path, error)) {
    files.clear();
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() == ".safetensors" || it->path().extension() == ".json") files.push_back(it->path());
    }
    std::sort(files.begin(), files.end());
  }
  std::string identity = fmt::format("layout {}, loader {}", kTileLayoutVersion, kLoaderVersion);
  for (const fs::path& file : files) {
    const fs::path whole = fs::canonical(file, error);
    const auto time = error ? fs::file_time_type() : fs::last_write_time(whole, error);
    const auto size = error ? 0 : fs::file_size(whole, error);
    if (error) return "";
    identity += fmt::format("\n{} {} {}", Sha256Hex(whole.string()), size, time.time_since_epoch().count());
  }
  return identity;
}

std::shared_ptr<PackedCopy> PackedCopy::Open(const PackedCache& cache, const std::string& path,
                                             const std::string& identity) {
  if (cache.folder.empty() || identity.empty()) return nullptr;
  const std::string copy_path = CopyPath(cache, path);
  auto copy = std::make_shared<PackedCopy>();
  if (!copy->Read(copy_path, identity)) return nullptr;
  std::error_code ignored;
  fs::last_write_time(copy_path, fs::file_time_type::clock::now(), ignored);  // used last: MakeRoom's order
  return copy;
}

bool PackedCopy::Read(const std::string& path, const std::string& identity) {
  file_ = std::make_shared<Buffer>(Buffer::OfFile(path));
  const std::string_view bytes = {reinterpret_cast<const char*>(file_->data()), file_->size()};
  if (bytes.size() < kPreamble || !bytes.starts_with(kMagic)) return false;
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data() + kPreamble - 8, 8);
  if (header_bytes > kMostHeader || header_bytes > bytes.size() - kPreamble) return false;
  const std::string_view header = bytes.substr(kPreamble, header_bytes);
  if (Sha256Hex(header) != bytes.substr(8, 64)) return false;
  const Json json = Json::parse(header, nullptr, false);
  // The digest says that a program like this one wrote it, but not that nobody wished to deceive it.
  const auto text = [](const Json& in, const char* key) {
    return in.is_object() && in.contains(key) && in[key].is_string() ? in[key].get<std::string>() : std::string();
  };
  if (text(json, "identity") != identity || !json.contains("weights") || !json["weights"].is_array()) return false;
  Sha256 sample;
  for (const Json& weight : json["weights"]) {
    const auto number = [&](const char* key) {
      return weight.contains(key) && weight[key].is_number_unsigned() ? weight[key].get<uint64_t>() : uint64_t{0};
    };
    if (!weight.is_object()) return false;
    Entry entry;
    const auto type = DTypeFromName(text(weight, "type"));
    if (!type || number("rows") > uint64_t{1} << 40 || number("cols") > uint64_t{1} << 40) return false;
    entry.type = *type;
    entry.rows = static_cast<int64_t>(number("rows")), entry.cols = static_cast<int64_t>(number("cols"));
    entry.offset = number("offset"), entry.bytes = number("bytes");
    if (entry.bytes == 0 || entry.bytes > bytes.size() || entry.offset > bytes.size() - entry.bytes ||
        entry.offset % 64 != 0)
      return false;
    Sample(sample, file_->data() + entry.offset, entry.bytes);
    entries_.push_back(entry);
  }
  return sample.HexDigest() == text(json, "sample");
}

std::optional<Weight> PackedCopy::Next(DType type, int64_t rows, int64_t cols) {
  if (all_taken()) return std::nullopt;
  const Entry& entry = entries_[next_];
  if (entry.type != type || entry.rows != rows || entry.cols != cols) return std::nullopt;
  auto weight = WeightOfTiles(type, rows, cols, Buffer(file_->data() + entry.offset, entry.bytes, file_));
  if (weight) ++next_;
  return weight;
}

Status KeepPacked(const PackedCache& cache, const Model& model) {
  if (cache.folder.empty() || model.packed || model.packed_identity.empty()) return {};
  if (PackedIdentity(model.source_path) != model.packed_identity)
    return {};  // changed meanwhile: of which was it made?
  const std::vector<const Weight*> weights = WeightsOf(model);
  Json list = Json::array();
  Sha256 sample;
  uint64_t offset = 0;  // from the end of the header
  for (const Weight* w : weights) {
    list.push_back({{"type", NameOf(w->type)},
                    {"rows", w->rows},
                    {"cols", w->cols},
                    {"offset", offset},
                    {"bytes", w->data.size()}});
    Sample(sample, w->data.data(), w->data.size());
    offset = RoundUp64(offset + w->data.size());
  }
  // The header's size and its offsets hang together: room for it is set aside, and what is left is blanks.
  const uint64_t room =
      RoundUp64(kPreamble + list.dump().size() + 24 * weights.size() + model.packed_identity.size() * 2 + 1024) -
      kPreamble;
  for (Json& weight : list) weight["offset"] = weight["offset"].get<uint64_t>() + kPreamble + room;
  std::string header =
      Json({{"identity", model.packed_identity}, {"sample", sample.HexDigest()}, {"weights", list}}).dump();
  HEW_CHECK(header.size() <= room);
  header.resize(room, ' ');

  const uint64_t total = kPreamble + room + offset;
  HEW_RETURN_IF_ERROR(MakeFolder(cache.folder));
  const std::string path = CopyPath(cache, model.source_path);
  RemoveLeftovers(path);
  std::error_code error;
  fs::remove(path, error);  // of another identity, if there is one
  if (total > cache.most_bytes) return {};
  MakeRoom(cache, total);
  if (const auto space = fs::space(cache.folder, error); !error && space.available / 2 < total) return {};
  HEW_ASSIGN(AtomicFile file, AtomicFile::Create(path));
  const uint64_t header_bytes = room;
  std::string preamble = std::string(kMagic) + Sha256Hex(header) + std::string(8, '\0');
  std::memcpy(preamble.data() + kPreamble - 8, &header_bytes, 8);
  HEW_RETURN_IF_ERROR(file.Write(preamble + header));
  for (const Weight* w : weights) {
    HEW_RETURN_IF_ERROR(file.Write({reinterpret_cast<const char*>(w->data.data()), w->data.size()}));
    HEW_RETURN_IF_ERROR(file.Write(std::string(RoundUp64(w->data.size()) - w->data.size(), '\0')));
  }
  return file.Commit();
}

}  // namespace hew
