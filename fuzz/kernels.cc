// Products with weights of every type, attention, and the codecs, over shapes and instruction sets, against their plain
// twins in src/kernels/ref. The input is a list of choices.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/linear_test_util.h"
#include "kernels/ref/attention.h"
#include "kernels/ref/linear.h"
#include "target.h"
#include "tensor/codec.h"

namespace hew::fuzz {
namespace {

using test::Padded;

// Choices out of the input; past its end they are all 0.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  int64_t Next(int64_t least, int64_t most) {
    uint64_t byte = 0;
    if (at_ < bytes_.size()) byte = static_cast<unsigned char>(bytes_[at_++]);
    return least + static_cast<int64_t>(byte % static_cast<uint64_t>(most - least + 1));
  }
  bool Flag() { return Next(0, 1) == 1; }
  DType Activation() { return Flag() ? DType::kBF16 : DType::kF32; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

void CheckNear(const Padded& found, const Padded& expected, double unit) {
  for (int64_t r = 0; r < found.view.rows; ++r) {
    for (int64_t c = 0; c < found.view.stride; ++c) {
      const double a = found.At(r, c), b = expected.At(r, c);
      const double tolerance = unit + (found.view.dtype == DType::kBF16 ? std::abs(b) / 100 : 0);
      HEW_CHECK(c < found.view.cols ? std::abs(a - b) <= tolerance : a == b);  // beside the view nothing is written
    }
  }
}

int64_t Columns(DType type, Choices& choose) {
  const int64_t block = InfoOf(type).block_elements;
  return block == 1 ? choose.Next(1, 120) : block * choose.Next(1, block == 32 ? 5 : 2);
}

void Products(const Runtime& rt, DType type, Choices& choose, Random& random) {
  const int64_t m = choose.Next(1, 40), n = choose.Next(1, 100), k = Columns(type, choose);
  const bool gradient = choose.Flag() && rt.precision != Precision::kInt8, accumulate = choose.Flag();
  const Weight w = test::RandomWeight(*rt.pool, type, n, k, random);
  const Padded x(choose.Activation(), m, gradient ? n : k, random);
  Padded found(choose.Activation(), m, gradient ? k : n, random);
  Padded expected = found;
  const LinearTerm term{x.view, &w};
  if (gradient) {
    LinearInputGradient(rt, {&term, 1}, found.view, accumulate);
    ref::LinearInputGradient(rt, {&term, 1}, expected.view, accumulate);
  } else {
    std::vector<float> bias(static_cast<size_t>(n), 0.5f);
    const float* added = choose.Flag() ? bias.data() : nullptr;
    Linear(rt, {&term, 1}, added, found.view, accumulate);
    ref::Linear(rt, {&term, 1}, added, expected.view, accumulate);
  }
  const double largest = test::LargestOf(w);
  CheckNear(
      found, expected,
      4e-6 * largest * static_cast<double>(gradient ? n : k) + 1e-5 + test::FlipUnit(rt, type, largest, gradient));
}

void Attention(const Runtime& rt, Choices& choose, Random& random) {
  AttentionShape shape;
  shape.kv_heads = choose.Next(1, 3);
  shape.heads = shape.kv_heads * choose.Next(1, 4);
  shape.head_dim = 2 * choose.Next(1, 40);
  shape.scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
  shape.window = choose.Flag() ? choose.Next(1, 20) : 0;
  shape.softcap = choose.Flag() ? 5.0f : 0.0f;
  const DType dtype = rt.bf16() ? DType::kBF16 : DType::kF32;
  const int64_t rows = choose.Next(1, 24), before = choose.Next(0, 200), prefix = choose.Next(0, before);
  const int64_t keys = before + rows + 3;
  const Padded q(dtype, rows, shape.heads * shape.head_dim, random);
  const Padded k(dtype, keys, shape.kv_heads * shape.head_dim, random),
      v(dtype, keys, shape.kv_heads * shape.head_dim, random);
  AttentionSegment segment{0, rows, before, k.view, v.view, 0, prefix, prefix + choose.Next(0, 3)};
  Padded found(dtype, rows, shape.heads * shape.head_dim, random), expected = found;
  AttentionForward(rt, shape, q.view, {&segment, 1}, found.view, nullptr);
  ref::AttentionForward(shape, q.view, {&segment, 1}, expected.view, nullptr);
  CheckNear(found, expected, rt.bf16() ? 0.06 : 1e-4);
}

// A weight in tiles holds what its file's rows decode to, bit for bit.
void Tiles(const ThreadPool& pool, DType type, std::string_view bytes, Choices& choose) {
  const int64_t rows = choose.Next(1, 40), cols = Columns(type, choose), row_bytes = RowBytes(type, cols);
  std::string file(static_cast<size_t>(rows * row_bytes), '\0');
  for (size_t i = 0; i < file.size() && !bytes.empty(); ++i) file[i] = bytes[i % bytes.size()];
  const auto w = MakeWeight(pool, type, rows, cols, file);
  HEW_CHECK(w.has_value());
  std::vector<float> packed(static_cast<size_t>(cols)), plain(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    ReadWeightRow(*w, r, packed.data());
    DecodeRow(type, std::string_view(file).substr(static_cast<size_t>(r * row_bytes), static_cast<size_t>(row_bytes)),
              plain);
    for (size_t c = 0; c < plain.size(); ++c) {
      HEW_CHECK(std::memcmp(&packed[c], &plain[c], 4) == 0 || (std::isnan(packed[c]) && std::isnan(plain[c])));
    }
  }
}

void Run(std::string_view bytes) {
  static const ThreadPool one(1), two(2);
  Choices choose(bytes);
  const auto modes = test::Modes(choose.Flag() ? two : one);
  const Runtime& rt = modes[static_cast<size_t>(choose.Next(0, static_cast<int64_t>(modes.size()) - 1))];
  const DType type = test::kTypes[choose.Next(0, static_cast<int64_t>(std::size(test::kTypes)) - 1)];
  Random random{static_cast<uint64_t>(choose.Next(0, 255)), 0, 0};
  switch (choose.Next(0, 3)) {
    case 0:
      return Tiles(*rt.pool, type, bytes, choose);
    case 1:
      return Attention(rt, choose, random);
    default:
      return Products(rt, type, choose, random);
  }
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  Random random{7, 0, 0};
  for (int i = 0; i < 64; ++i) {
    std::string seed(24, '\0');
    for (char& c : seed) c = static_cast<char>(random.Next32());
    seeds.push_back(seed);
  }
  return seeds;
}

std::string Mutate(std::string_view bytes, Random& random) {
  std::string out(bytes);
  if (out.size() < 24) out.resize(24);
  out[random.Below(out.size())] = static_cast<char>(random.Next32());
  return out;
}

}  // namespace

const FuzzTarget kernels_target = {"kernels", Seeds, Run, Mutate};

}  // namespace hew::fuzz
