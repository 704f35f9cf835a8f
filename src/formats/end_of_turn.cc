#include "formats/end_of_turn.h"

#include <algorithm>
#include <iterator>

namespace hew {
namespace {

constexpr std::string_view kTurnEnds[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>",
                                          "<|calls|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>",
                                          "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
                                          "<turn|>", "[e~[", "<｜end▁of▁sentence｜>",
                                          // Filling in the middle of a file ends at the next file or repository.
                                          "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<|fim_repo|>", "<|repo_name|>",
                                          "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>"};

}  // namespace

bool EndsTurn(std::string_view token) {
  return std::find(std::begin(kTurnEnds), std::end(kTurnEnds), token) != std::end(kTurnEnds);
}

}  // namespace hew
