// The page's logic without a browser: web/test.sh bundles this and runs it with node.
import { EventParser } from "../src/api_events";
import { messagesFor, newAnswer, Turn } from "../src/chat/conversation";
import { differences } from "../src/compare/differences";
import { bytes, count, duration, percent, visible } from "../src/format";
import { WhyWordReport } from "../src/types";
import { atTemperature, draw } from "../src/understand/temperature";
import { without } from "../src/understand/without";
import { en } from "../src/words_en";
import { ko } from "../src/words_ko";
import tokensCss from "../src/tokens.css";

declare const process: { exitCode: number };
declare const console: { error: (text: string) => void; log: (text: string) => void };

let checks = 0;
function same(found: unknown, expected: unknown, what: string): void {
  checks += 1;
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    console.error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
    process.exitCode = 1;
  }
}

// A stream of events, cut at every place, is the same events.
const wire = ': keep-alive\n\ndata: {"a": 1}\r\n\r\nevent: x\ndata: one\ndata:two\n\ndata: 안녕\n\n';
for (let cut = 0; cut <= wire.length; ++cut) {
  const events: string[] = [];
  const parser = new EventParser((data) => events.push(data));
  parser.push(wire.slice(0, cut));
  parser.push(wire.slice(cut));
  same(events, ['{"a": 1}', "one\ntwo", "안녕"], `events cut at ${cut}`);
}

const tokens = [0.5, 0.25, 0.125].map((p, id) => ({ id, text: String(id), logprob: Math.log(p), probability: p }));
same(atTemperature(tokens, 1).map((p) => p.toFixed(4)), ["0.5714", "0.2857", "0.1429"], "temperature 1 keeps the proportions");
same(atTemperature(tokens, 0), [1, 0, 0], "temperature 0 takes the likeliest");
same(atTemperature(tokens, 0.5).map((p) => p.toFixed(4)), ["0.7619", "0.1905", "0.0476"], "temperature 0.5 squares them");
same(atTemperature([], 1), [], "no tokens");
same([draw([0.5, 0.5], 0), draw([0.5, 0.5], 0.49), draw([0.5, 0.5], 0.5), draw([0.5, 0.5], 1)], [0, 0, 1, 1], "draw");

const parts = (pair: { text: string; differs: boolean }[]) => pair.map((p) => (p.differs ? `[${p.text}]` : p.text)).join("");
const [left, right] = differences("within 19 days from Billing", "within 30 days by phone");
same([parts(left), parts(right)], ["within [19] days [from] [Billing]", "within [30] days [by] [phone]"], "differences");
same(differences("a b", "a b"), [[{ text: "a b", differs: false }], [{ text: "a b", differs: false }]], "no differences");
same(parts(differences("one two three four five", "six seven eight nine ten")[0]), "one two three four five", "nothing is marked where everything differs");
same(differences("", "x"), [[], [{ text: "x", differs: true }]], "from nothing");
for (const text of ["one two  three", " leading", "trailing "]) same(differences(text, "q")[0].map((p) => p.text).join(""), text, "nothing is lost");

const turn = (key: number, asked: string, said: string[]): Turn => ({ key, asked, answers: said.map((text, i) => ({ ...newAnswer(`v${i}`), text })) });
const turns = [turn(1, "a", ["x", "y"]), turn(2, "b", ["", ""])];
same(messagesFor(turns, 1, 1, " be kind "), [
  { role: "system", content: " be kind " },
  { role: "user", content: "a" },
  { role: "assistant", content: "y" },
  { role: "user", content: "b" },
], "each column goes on from its own answers");
same(messagesFor([turn(1, "a", ["x"]), turn(2, "b", ["", ""])], 1, 1, "").length, 3, "a second column takes the first one's past");

const report = (text: string, begin: number, end: number): WhyWordReport => ({
  answer: "", answer_given: false, logprob: 0, texts: [{ name: "prompt", text }], words: [{ word: "", text: 0, begin, end, logprob_without: 0, effect: 0 }],
});
same(without(report("The capital is", 4, 11), 0), "The is", "a word in the middle");
same(without(report("The capital", 0, 3), 0), "capital", "the first word");
same(without(report("The capital", 4, 11), 0), "The", "the last word");
same(without(report("오늘 날씨 어때", 7, 13), 0), "오늘 어때", "offsets are bytes");
same(without(report(" a b", 1, 2), 0), "b", "after leading spaces");

same([bytes(999), bytes(98362432), bytes(1.5e9)], ["999 B", "98.4 MB", "1.5 GB"], "bytes");
same([count(134515008, "en"), count(134515008, "ko"), count(1540000000, "en")], ["135 million", "1.35억", "1.54 billion"], "count");
same([duration(41, "en"), duration(190, "ko"), duration(7300, "en")], ["41 s", "3분 10초", "2 h 1 min"], "duration");
same([percent(1), percent(0.235), percent(0.0111), percent(1e-7)], ["100%", "23.5%", "1.11%", "<0.001%"], "percent");
same([visible(" a\n"), visible("")], ["·a⏎", "∅"], "visible");

// Both dictionaries have every word, none of them empty, and nothing was left in the other's language.
const hangul = /[가-힣]/;
const walk = (a: unknown, b: unknown, path: string): void => {
  if (typeof a === "string" && typeof b === "string") same([a !== "", b !== ""], [true, true], path);
  else if (typeof a === "object" && a !== null) for (const [key, value] of Object.entries(a)) walk(value, (b as Record<string, unknown>)[key], `${path}.${key}`);
};
walk(en, ko, "words");
const texts = (o: unknown): string[] => (typeof o === "string" ? [o] : typeof o === "object" && o !== null ? Object.values(o).flatMap(texts) : []);
same(texts({ ...en, language: "", languageLabel: "", chat: { ...en.chat, suggestions: [] }, understand: { ...en.understand, tokens: { ...en.understand.tokens, sampleKorean: "" } } }).filter((t) => hangul.test(t)), [], "no Korean among the English words");

// Text reaches 4.5:1 (WCAG AA) on what it stands on, in both themes; edges of fields reach 3:1.
type Rgb = [number, number, number];
const theme = (selector: string): Record<string, Rgb> => {
  const block = tokensCss.slice(tokensCss.indexOf(`${selector} {`)).split("}")[0];
  const colours: Record<string, Rgb> = {};
  for (const m of block.matchAll(/--([\w-]+): #([0-9a-f]{6});/g)) colours[m[1]] = [0, 2, 4].map((i) => Number.parseInt(m[2].slice(i, i + 2), 16)) as Rgb;
  return colours;
};
const light = (c: Rgb): number => {
  const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a: Rgb, b: Rgb): number => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
const over = (top: Rgb, share: number, below: Rgb): Rgb => top.map((v, i) => share * v + (1 - share) * below[i]) as Rgb;
for (const selector of [":root", ':root[data-theme="dark"]', ':root:not([data-theme="light"])']) {
  const c = theme(selector);
  const reach = (text: Rgb, ground: Rgb, least: number, what: string) => same(contrast(text, ground) >= least, true, `${selector} ${what} ${contrast(text, ground).toFixed(2)}`);
  for (const ground of ["ground", "surface", "sunken", "raised"]) {
    for (const ink of ["ink", "ink-soft", "accent", "bad"]) reach(c[ink], c[ground], 4.5, `${ink} on ${ground}`);
  }
  for (const kind of ["accent", "second", "good", "bad", "warn"]) reach(c[kind], c[`${kind}-soft`], 4.5, `${kind} on its ground`);
  reach(c["accent-ink"], c.accent, 4.5, "the main button");
  reach(c.ground, c.ink, 4.5, "a note at the bottom");
  reach(c.surface, c.bad, 4.5, "a fault at the bottom");
  reach(c["ink-soft"], c["accent-soft"], 4.5, "a token's number");
  reach(c["ink-soft"], c["second-soft"], 4.5, "a token's number");
  for (const shade of ["accent", "second"]) reach(c.ink, over(c[shade], 0.45, c.sunken), 4.5, `a number on ${shade}`);
  reach(c["line-strong"], c.surface, 3, "a field's edge");
}

console.log(`${checks} checks${process.exitCode ? "" : ", all passed"}`);
