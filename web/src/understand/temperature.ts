// What temperature does to the likeliest tokens: softmax(logprob / T) over them alone.
import { NextToken } from "../types";

export function atTemperature(tokens: NextToken[], temperature: number): number[] {
  if (tokens.length === 0) return [];
  if (temperature <= 0) return tokens.map((_, i) => (i === 0 ? 1 : 0));
  const most = tokens[0].logprob;
  const weights = tokens.map((t) => Math.exp((t.logprob - most) / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / sum);
}

// The one that a number from 0 to 1 falls on.
export function draw(shares: number[], at: number): number {
  let sum = 0;
  for (let i = 0; i < shares.length; ++i) {
    sum += shares[i];
    if (at < sum) return i;
  }
  return Math.max(0, shares.length - 1);
}
