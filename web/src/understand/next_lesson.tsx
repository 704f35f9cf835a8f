// The next token as bars; choose one, and the sentence goes that way. Earlier choices stay, as branches.
import { useEffect, useState } from "react";

import { percent, visible } from "../format";
import { useWords } from "../i18n";
import { NextToken } from "../types";
import { Bars, Failure, Slider } from "../ui/pieces";
import { AskForm } from "./ask_form";
import { atTemperature, draw } from "./temperature";
import { useAsked } from "./use_asked";

interface NextReport {
  next: NextToken[];
}

const kAsked = 40;
const kShown = 12;

export function NextLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.next;
  const [start, setStart] = useState(w.sample);
  const [said, setSaid] = useState<string[]>([]);
  const [branches, setBranches] = useState<string[][]>([]);
  const [temperature, setTemperature] = useState(1);
  const asked = useAsked<NextReport>();
  const { ask } = asked;
  const text = start + said.join("");
  useEffect(() => void ask("/api/next", { model, text, k: kAsked }), [ask, model, text]);

  const choose = (token: string) => {
    if (!token.includes("\uFFFD")) {
      const path = [...said, token];
      setSaid(path);
      setBranches((old) => [path, ...old.filter((b) => b.join("") !== path.join("") && !path.join("").startsWith(b.join("")))].slice(0, 8));
    }
  };
  const tokens = asked.value?.next ?? [];
  const shares = atTemperature(tokens, temperature);
  const mood = temperature < 0.6 ? w.cold : temperature > 1.3 ? w.hot : Math.abs(temperature - 1) < 0.01 ? w.one : w.temperatureHint(temperature.toFixed(1));
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      <AskForm
        first={start}
        busy={false}
        ask={(t) => {
          setStart(t);
          setSaid([]);
          setBranches([]);
        }}
      />
      <p className="sentence" aria-live="polite">
        {start}
        <span className="said">{said.join("")}</span>
      </p>
      <Slider label={w.temperature} value={temperature} least={0} most={2} step={0.1} onChange={setTemperature} show={temperature.toFixed(1)} />
      <p className="small soft">
        {mood} {w.ownHint}
      </p>
      {asked.error && <Failure text={asked.error} />}
      <div aria-busy={asked.busy} id="next-bars">
        <Bars
          label={w.branch}
          scale={Math.max(0.25, ...shares)}
          onChoose={(id) => choose(tokens.find((t) => String(t.id) === id)?.text ?? "")}
          items={tokens.slice(0, kShown).map((t, i) => ({
            key: String(t.id),
            label: visible(t.text),
            value: shares[i],
            note: `(${percent(t.probability)})`,
            data: { id: String(t.id), logprob: String(t.logprob), probability: String(t.probability), share: String(shares[i]) },
          }))}
        />
      </div>
      <div className="row">
        <button className="button" disabled={tokens.length === 0} onClick={() => choose(tokens[draw(shares, Math.random())].text)}>
          {w.draw}
        </button>
        <button className="button" disabled={said.length === 0} onClick={() => setSaid(said.slice(0, -1))}>
          {w.back}
        </button>
        <button className="button quiet" disabled={said.length === 0} onClick={() => setSaid([])}>
          {w.restart}
        </button>
      </div>
      {branches.length > 0 && (
        <div className="stack tight">
          <h3>{w.branches}</h3>
          <ul className="branches">
            {branches.map((b) => (
              <li key={b.join("|")}>
                <button onClick={() => setSaid(b)}>
                  <span className="soft">{start}</span>
                  <b>{b.join("")}</b>
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}
