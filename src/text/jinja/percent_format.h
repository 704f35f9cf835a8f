// Python's text % values.
#pragma once

#include "text/jinja/value.h"

namespace hew::jinja {

// %s %r %d %i %f %e %g %x %X %o %c %%, with flags, width, precision and (name). `values` is a tuple, a dictionary for
// names, or the one value.
Result<Value> PercentFormat(const Value& format, const Value& values, Budget* budget);

}  // namespace hew::jinja
