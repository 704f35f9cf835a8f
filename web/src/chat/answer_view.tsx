// One answer: streamed, copied, or turned into a fix.
import { useState } from "react";

import { isVersion, useApp } from "../app_context";
import { useWords } from "../i18n";
import { Message } from "../types";
import { Markdown } from "../ui/markdown";
import { Answer } from "./conversation";
import { FixCard } from "./fix_card";

export function AnswerView({ answer, messages, askAgain }: { answer: Answer; messages: Message[]; askAgain: (version: string) => void }) {
  const words = useWords();
  const { state, say } = useApp();
  const [fixing, setFixing] = useState(false);
  const running = answer.state === "running";
  const speed = answer.tokens > 1 && answer.seconds > 0 ? ((answer.tokens - 1) / answer.seconds).toFixed(1) : null;
  return (
    <section className="answer" data-version={answer.version} data-state={answer.state} aria-busy={running} aria-label={answer.version}>
      <div className="answer-head">
        <span className="tag accent">{answer.version}</span>
        {answer.state === "stopped" && <span className="tag warn">{words.chat.stopped}</span>}
        {answer.reason === "length" && <span className="tag">{words.chat.cut}</span>}
      </div>
      <Markdown text={answer.text} after={running ? <span className="caret" /> : undefined} />
      {answer.state === "failed" && (
        <p className="note bad" role="alert">
          {words.failed}: {answer.error}
        </p>
      )}
      {!running && answer.text !== "" && (
        <div className="answer-tools">
          {state?.workspace && isVersion(answer.version) && (
            <button className="button quiet small" data-action="flag" aria-expanded={fixing} onClick={() => setFixing(!fixing)}>
              {words.chat.wrong}
            </button>
          )}
          <button
            className="button quiet small"
            onClick={() => navigator.clipboard.writeText(answer.text).then(() => say(words.chat.copied), () => undefined)}
          >
            {words.chat.copy}
          </button>
          {speed && <span className="small soft number wide-only">{words.chat.speed(answer.tokens, speed)}</span>}
        </div>
      )}
      {fixing && <FixCard version={answer.version} messages={messages} bad={answer.text} close={() => setFixing(false)} askAgain={askAgain} />}
    </section>
  );
}
