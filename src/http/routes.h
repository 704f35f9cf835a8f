// What the server answers, group by group.
#pragma once

#include "http/router.h"
#include "http/served_models.h"

namespace hew {

class ServeMetrics;

// /v1/*, /tokenize, /detokenize, /apply-template, /tokenizer_info, /health, /metrics. All outlive the router.
void AddApiRoutes(Router& router, ServedModels& models, ServeMetrics& metrics);
// "/", "/page/*" and "/api/*": the page and what it asks (docs/page_api.md).
void AddPageRoutes(Router& router, ServedModels& models, ServeMetrics& metrics);

}  // namespace hew
