#pragma once

#include "studio/serve_settings.h"

namespace hew {

// All of `hew serve`: opens the models, listens, answers until SIGINT or SIGTERM. The exit status.
// Errors: the model, the address, TLS files; an address that others reach without a key.
Result<int> Serve(const ServeSettings& settings);

}  // namespace hew
