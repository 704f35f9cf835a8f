// Sampling settings, with the names and defaults of the command line.
export interface Sampling {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  maxTokens: number;
  seed: string; // "": the server's choice
  system: string;
}

export const kDefaults: Sampling = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05, maxTokens: 512, seed: "", system: "" };

export function keptSampling(): Sampling {
  try {
    const kept = JSON.parse(localStorage.getItem("hew.sampling") ?? "{}");
    return { ...kDefaults, ...(typeof kept === "object" ? kept : {}) };
  } catch {
    return kDefaults;
  }
}

export function keepSampling(sampling: Sampling): void {
  localStorage.setItem("hew.sampling", JSON.stringify(sampling));
}

export function toRequest(s: Sampling): Record<string, unknown> {
  const body: Record<string, unknown> = { temperature: s.temperature, top_p: s.topP, top_k: s.topK, min_p: s.minP, max_tokens: s.maxTokens };
  if (/^\d+$/.test(s.seed.trim())) body.seed = Number(s.seed);
  return body;
}
