// An adapter's projections joined into the modules that the base's family stores.
#include <algorithm>
#include <cmath>

#include "model/adapter_parts.h"

namespace hew {
namespace {

// The projections of one stored module that are adapted, with the row of the module at which each begins.
struct Part {
  const LoraModule* m;
  int64_t first_row;
};

const float* ValuesOf(const LoraAdapter& adapter, size_t offset) { return adapter.parameters.data() + offset; }

bool ShareA(const LoraAdapter& adapter, const LoraModule& x, const LoraModule& y) {
  const auto size = static_cast<size_t>(x.rank * x.in);
  return x.rank == y.rank && x.scale == y.scale &&
         std::equal(ValuesOf(adapter, x.a_offset), ValuesOf(adapter, x.a_offset) + size, ValuesOf(adapter, y.a_offset));
}

// ||W_j|| of the module's rows: the magnitude of those that no adapter changes.
std::vector<float> RowNorms(const Model& base, int64_t layer, const StoredModule& module) {
  std::vector<float> norms;
  for (Projection p : module.projections()) {
    const Weight& w = base.layers[static_cast<size_t>(layer)][p];
    std::vector<float> row(static_cast<size_t>(w.cols));
    for (int64_t j = 0; j < w.rows; ++j) {
      ReadWeightRow(w, j, row.data());
      double sum = 0;
      for (float v : row) sum += static_cast<double>(v) * v;
      norms.push_back(static_cast<float>(std::sqrt(sum)));
    }
  }
  return norms;
}

JoinedModule Join(const LoraAdapter& adapter, const Model& base, int64_t layer, const StoredModule& module,
                  const std::vector<Part>& parts, int64_t out) {
  const LoraModule& first = *parts[0].m;
  const bool shared =
      std::all_of(parts.begin(), parts.end(), [&](const Part& p) { return ShareA(adapter, first, *p.m); });
  JoinedModule joined{layer, &module, first.rank, first.in, out, first.scale * adapter.user_scale, {}, {}, {}};
  if (!shared) {
    joined.rank = 0;
    for (const Part& part : parts) joined.rank += part.m->rank;
  }
  joined.b.resize(static_cast<size_t>(out * joined.rank));
  if (adapter.config.dora) joined.magnitude = RowNorms(base, layer, module);
  int64_t first_column = 0;  // of B, row of A
  for (const Part& part : parts) {
    const LoraModule& m = *part.m;
    if (!shared || &part == &parts[0]) {
      const float* a = ValuesOf(adapter, m.a_offset);
      joined.a.insert(joined.a.end(), a, a + m.rank * m.in);
    }
    const float factor = m.scale == first.scale ? 1 : m.scale / first.scale;
    for (int64_t j = 0; j < m.out; ++j) {
      const float* from = ValuesOf(adapter, m.b_offset) + j * m.rank;
      float* to = joined.b.data() + (part.first_row + j) * joined.rank + first_column;
      for (int64_t i = 0; i < m.rank; ++i) to[i] = from[i] * factor;
    }
    if (adapter.config.dora) {
      std::copy_n(ValuesOf(adapter, m.magnitude_offset), m.out, joined.magnitude.begin() + part.first_row);
    }
    if (!shared) first_column += m.rank;
  }
  return joined;
}

}  // namespace

std::vector<JoinedModule> JoinModules(const LoraAdapter& adapter, const Model& base) {
  std::vector<JoinedModule> list;
  for (int64_t layer = 0; layer < base.config.num_hidden_layers; ++layer) {
    for (const StoredModule& module : ArchitectureOf(base.config).layout->modules) {
      std::vector<Part> parts;
      int64_t out = 0;
      for (Projection p : module.projections()) {
        if (!base.config.Has(p, layer)) continue;
        if (const LoraModule* m = adapter.Find(layer, p)) parts.push_back({m, out});
        out += ProjectionShape(base.config, p).first;
      }
      if (!parts.empty()) list.push_back(Join(adapter, base, layer, module, parts, out));
    }
  }
  return list;
}

}  // namespace hew
