#include "http/router.h"

#include <algorithm>

#include "base/check.h"

namespace hew {
namespace {

// Segments between slashes; empty ones do not count, so that "//" and a last "/" change nothing.
std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) segments.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  }
  return segments;
}

bool IsParameter(const std::string& segment) { return segment.starts_with('{'); }
bool IsRest(const std::string& segment) { return segment.ends_with("*}"); }

std::string NameOfParameter(const std::string& segment) {
  return segment.substr(1, segment.size() - (IsRest(segment) ? 3 : 2));
}

// What the pattern's parameters are in this path; false: it is another path.
bool Fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
          std::map<std::string, std::string>* parameters) {
  const bool rest = !pattern.empty() && IsRest(pattern.back());
  if (rest ? path.size() < pattern.size() : path.size() != pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!IsParameter(pattern[i])) {
      if (pattern[i] != path[i]) return false;
      continue;
    }
    std::string value = path[i];
    if (IsRest(pattern[i])) {
      for (size_t j = i + 1; j < path.size(); ++j) value += "/" + path[j];
    }
    (*parameters)[NameOfParameter(pattern[i])] = std::move(value);
  }
  return true;
}

// Whether `a` says more than `b`: the first segment in which just one of them is a word decides.
bool MoreExact(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (IsParameter(a[i]) != IsParameter(b[i])) return !IsParameter(a[i]);
  }
  return a.size() > b.size();
}

}  // namespace

void Router::Add(std::string_view method, std::string_view pattern, HttpHandler handler) {
  HEW_CHECK(pattern.starts_with('/'));
  routes_.push_back({std::string(method), Split(pattern), std::move(handler)});
}

Router::Match Router::Find(std::string_view method, std::string_view path) const {
  const auto segments = Split(path);
  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  Match best;
  const Route* found = nullptr;
  for (const Route& route : routes_) {
    std::map<std::string, std::string> parameters;
    if (!Fits(route.segments, segments, &parameters)) continue;
    if (route.method != wanted) {
      best.allowed.push_back(route.method);
      continue;
    }
    if (found && !MoreExact(route.segments, found->segments)) continue;
    found = &route;
    best.handler = &route.handler;
    best.parameters = std::move(parameters);
  }
  if (found) {
    best.allowed.clear();
    return best;
  }
  if (std::find(best.allowed.begin(), best.allowed.end(), "GET") != best.allowed.end()) best.allowed.push_back("HEAD");
  std::sort(best.allowed.begin(), best.allowed.end());
  best.allowed.erase(std::unique(best.allowed.begin(), best.allowed.end()), best.allowed.end());
  return best;
}

}  // namespace hew
