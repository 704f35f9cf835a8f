// What commands draw on a terminal: bars, colours, curves, and bytes of tokens made visible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hew {

// Standard output is a terminal and NO_COLOR is not set.
bool UseColor();

// Bytes in quotes on one line; what is no whole UTF-8 becomes U+FFFD.
std::string Quoted(std::string_view bytes);
// Columns that a text takes: East Asian wide characters two.
size_t Columns(std::string_view text);
// Padded with spaces to `columns`, or cut, ending in "…".
std::string Fit(std::string_view text, size_t columns);

// `share` (0 to 1) of `cells` cells, in eighths of a cell.
std::string Bar(double share, int cells);
// One character: how high `share` (0 to 1) is.
std::string Spark(double share);
// The values as one line of Spark, the lowest to the highest.
std::string Curve(const std::vector<double>& values);
// Two columns: how hot `share` (0 to 1) is; coloured, or shaded.
std::string Heat(double share, bool color);
// Text on a ground whose strength is |strength| (0 to 1): green above 0, red below. Plain without colour.
std::string OnGround(std::string_view text, double strength, bool color);
std::string Bold(std::string_view text, bool color);

}  // namespace hew
