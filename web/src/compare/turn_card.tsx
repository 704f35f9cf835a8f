// One case whose answer turned, both answers side by side with what differs marked.
import { useState } from "react";

import { FixCard } from "../chat/fix_card";
import { useApp } from "../app_context";
import { useWords } from "../i18n";
import { TurnedCase } from "../types";
import { differences } from "./differences";

export function TurnCard({ turned, before, after }: { turned: TurnedCase; before: string; after: string }) {
  const words = useWords();
  const { go } = useApp();
  const [fixing, setFixing] = useState(false);
  const [left, right] = differences(turned.before, turned.after);
  const side = (parts: { text: string; differs: boolean }[]) => parts.map((p, i) => (p.differs ? <mark key={i}>{p.text}</mark> : <span key={i}>{p.text}</span>));
  return (
    <article className="turn-card" data-turn={turned.turn}>
      <header>
        <span className={`tag ${turned.turn}`}>{words.compare[turned.turn]}</span>
        {turned.must_pass && <span className="tag warn">{words.compare.mustPass}</span>}
        <span className="grow">{turned.question || turned.id}</span>
        <span className="small soft">
          {turned.suite.replace(/^.*\//, "")} · {turned.id}
        </span>
      </header>
      <div className="sides">
        <div>
          <div className="small soft">{before}</div>
          {side(left)}
        </div>
        <div>
          <div className="small soft">{after}</div>
          {side(right)}
          {turned.turn === "broken" && turned.why && <p className="small soft">{turned.why}</p>}
        </div>
      </div>
      {turned.turn === "broken" && turned.question !== "" && (
        <div style={{ padding: "0 16px 12px" }}>
          {fixing ? (
            <FixCard
              version={after}
              messages={[{ role: "user", content: turned.question }]}
              bad={turned.after}
              close={() => setFixing(false)}
              askAgain={(v) => go("chat", v)}
            />
          ) : (
            <button className="button small" onClick={() => setFixing(true)}>
              {words.compare.learnThis}
            </button>
          )}
        </div>
      )}
    </article>
  );
}
