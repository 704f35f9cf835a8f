// The text less one word.
import { WhyWordReport } from "../types";

// As the server leaves it out: offsets are bytes of UTF-8; the spaces before it go with it, or at the beginning those after.
export function without(report: WhyWordReport, index: number): string {
  const word = report.words[index];
  const all = new TextEncoder().encode(report.texts[word.text].text);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const before = decode(all.slice(0, word.begin));
  const after = decode(all.slice(word.end));
  const kept = before.replace(/[ \t\n\r\v\f\u3000]+$/, "");
  return kept === "" || kept === before ? kept + after.replace(/^[ \t\n\r\v\f\u3000]+/, "") : kept + after;
}
