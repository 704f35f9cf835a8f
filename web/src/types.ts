// What the server says: docs/page_api.md.
export interface ServerState {
  program: string;
  workspace: { root: string } | null;
  model: string;
  architecture: string;
  parameters: number;
  file_bytes: number;
  layers: number;
  vocab_size: number;
  context: number;
  chat: boolean;
  isa: string;
  threads: number;
  aliases: Record<string, string>;
  versions: number;
  running: Job | null;
}

export interface VersionLine {
  version: string;
  name: string;
  made_by: string;
  created: string;
  parent: string | null;
  aliases: string[];
  passed: number;
  cases: number;
}

export interface VersionDetails {
  version: string;
  name: string;
  kind: string;
  made_by: string;
  parent: string | null;
  created: string;
  program: string;
  isa: string;
  recipe: Record<string, unknown> | null;
  data: { role: string; path: string; sha256: string; rows: number }[];
  metrics: Record<string, unknown> | null;
  suites: { suite: string; passed: number; cases: number; at: string }[];
  history: { alias: string; action: string; version: string; from: string | null; at: string }[];
  bytes: number;
}

export interface CurvePoint {
  step: number;
  loss: number;
}
export interface Curve {
  train: CurvePoint[];
  eval: CurvePoint[];
}

export type Turn = "broken" | "fixed" | "changed";
export interface TurnedCase {
  suite: string;
  id: string;
  turn: Turn;
  must_pass: boolean;
  tags: string[];
  before: string;
  after: string;
  why: string;
  question: string;
}
export interface Comparison {
  rows: { same: number; added: number; removed: number };
  recipe: { field: string; before: unknown; after: unknown }[];
  answers: {
    broken: number;
    fixed: number;
    changed: number;
    same: number;
    passed_before: number;
    passed_after: number;
    cases: TurnedCase[];
  };
  verdict: {
    verdict: string;
    measured: string;
    rule: string;
    cases_missing: number;
    numbers: { cases: number; difference: number; interval: [number, number]; mcnemar_p: number };
  } | null;
}

export interface SuiteMap {
  suites: string[];
  versions: { version: string; name: string; counts: ([number, number] | null)[] }[];
}

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Preview {
  data: string;
  name: string;
  rows: number;
  tokens: number;
  learned_tokens: number;
  longest: number;
  duplicates: number;
  row: number;
  pieces: { text: string; learned: boolean }[];
  steps: number;
  trainable_parameters: number;
  memory_bytes: number;
  seconds: number;
}

export type JobState = "running" | "done" | "failed" | "stopped";
export interface Job {
  id: string;
  kind: string;
  state: JobState;
  title: string;
  started: string;
  version: string | null;
  parent: string | null;
  error: string | null;
  done: number;
  total: number;
}
export type JobEvent =
  | { type: "step"; step: number; total_steps: number; loss: number; tokens_per_s: number; seconds: number }
  | { type: "say"; text: string }
  | { type: "progress"; done: number; total: number }
  | { type: "state"; job: Job };

export interface NextToken {
  id: number;
  text: string;
  logprob: number;
  probability: number;
}
export interface TokenPieces {
  ids: number[];
  tokens: string[];
}
export interface Anatomy {
  parameters: number;
  parameters_by_module: Record<string, number>;
  file_bytes: number;
  layers: number;
  hidden_size: number;
  vocab_size: number;
  sample: { name: string; shape: number[]; values: number[][] } | null;
  adapter: { parameters: number; bytes: number; rank: number; matrices: number } | null;
}

// Of `hew lens`, `why-word`, `watch` and `diff-model --json`.
export interface LensReport {
  layers: number;
  positions: {
    position: number;
    id: number;
    text: string;
    answer: NextToken;
    layers: { layers_done: number; next: NextToken[]; answer_logprob: number; answer_rank: number }[];
  }[];
}
export interface WhyWordReport {
  answer: string;
  answer_given: boolean;
  logprob: number;
  texts: { name: string; text: string }[];
  words: { word: string; text: number; begin: number; end: number; logprob_without: number; effect: number }[];
}
export interface WatchReport {
  kind: string;
  prompts: { prompt: string; followed: NextToken | null }[];
  points: {
    name: string;
    step: number | null;
    loss: number | null;
    eval_loss: number | null;
    answers: { prompt: string; next: NextToken[]; followed_logprob: number | null; text?: string }[];
  }[];
  losses: [number, number][];
  eval_losses: [number, number][];
}
export interface ModelDiffReport {
  before: string;
  after: string;
  base: { parameters: number; bytes: number };
  adapter: { parameters: number; bytes: number };
  before_norm: number;
  change_norm: number;
  prompts: {
    prompt: string;
    kl: number;
    next: { id: number; text: string; before: number; after: number }[];
    before_text: string;
    after_text: string;
  }[];
}
