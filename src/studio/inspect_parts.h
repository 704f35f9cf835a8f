// The parts of a report that every kind of file shares.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "formats/tensor_entry.h"
#include "model/lora.h"

namespace hew {

// Every key of the contract, in its order, without values.
nlohmann::ordered_json EmptyReport();

// tensors, parameters, parameters_by_module, and parameters_unique as far as the file alone tells.
void SetTensors(const std::vector<const TensorEntry*>& tensors, nlohmann::ordered_json* report);

nlohmann::ordered_json AdapterReport(const LoraConfig& config);

}  // namespace hew
