// A conversation: what was asked, and one or two answers to each question.
import { Message } from "../types";

export type AnswerState = "running" | "done" | "stopped" | "failed";

export interface Answer {
  version: string;
  text: string;
  state: AnswerState;
  reason: string; // finish_reason
  error: string;
  tokens: number;
  seconds: number; // after the first token
}

export interface Turn {
  key: number;
  asked: string;
  answers: Answer[];
}

export function newAnswer(version: string): Answer {
  return { version, text: "", state: "running", reason: "", error: "", tokens: 0, seconds: 0 };
}

// What the version of column `column` is asked at turn `at`: its own earlier answers are what it said.
export function messagesFor(turns: Turn[], at: number, column: number, system: string): Message[] {
  const messages: Message[] = system.trim() === "" ? [] : [{ role: "system", content: system }];
  for (let i = 0; i <= at; ++i) {
    messages.push({ role: "user", content: turns[i].asked });
    const answer = turns[i].answers[Math.min(column, turns[i].answers.length - 1)];
    if (i < at && answer && answer.text !== "") messages.push({ role: "assistant", content: answer.text });
  }
  return messages;
}
