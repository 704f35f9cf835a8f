// Asks one version by /v1/chat/completions and tells of the answer as it comes.
import { isAbort, stream } from "../api";
import { Message } from "../types";
import { Answer } from "./conversation";
import { Sampling, toRequest } from "./sampling";

interface Chunk {
  error?: { message?: string };
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  usage?: { completion_tokens?: number } | null;
}

export async function ask(version: string, messages: Message[], sampling: Sampling, signal: AbortSignal, change: (part: Partial<Answer>) => void): Promise<void> {
  let text = "";
  let pieces = 0;
  let first = 0;
  let broken = "";
  try {
    const body = { model: version, messages, stream: true, stream_options: { include_usage: true }, ...toRequest(sampling) };
    await stream("/v1/chat/completions", body, signal, (data) => {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) broken = chunk.error.message ?? "error";
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) {
        if (pieces === 0) first = performance.now();
        text += choice.delta.content;
        pieces += 1;
        change({ text, tokens: pieces, seconds: (performance.now() - first) / 1000 });
      }
      if (choice?.finish_reason) change({ reason: choice.finish_reason, seconds: first > 0 ? (performance.now() - first) / 1000 : 0 });
      if (chunk.usage?.completion_tokens) change({ tokens: chunk.usage.completion_tokens });
    });
    change(broken ? { state: "failed", error: broken } : { state: "done" });
  } catch (error) {
    change(isAbort(error) ? { state: "stopped" } : { state: "failed", error: String((error as Error).message) });
  }
}
