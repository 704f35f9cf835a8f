// What each layer would say.
import { useEffect, useState } from "react";

import { percent, visible } from "../format";
import { useWords } from "../i18n";
import { LensReport } from "../types";
import { Failure } from "../ui/pieces";
import { AskForm } from "./ask_form";
import { useAsked } from "./use_asked";

export function LensLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.lens;
  const [text, setText] = useState(w.sample);
  const asked = useAsked<LensReport>();
  const { ask } = asked;
  useEffect(() => void ask("/api/lens", { model, text }), [ask, model, text]);
  const position = asked.value?.positions[asked.value.positions.length - 1];
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      <AskForm first={text} busy={asked.busy} ask={setText} />
      {asked.error && <Failure text={asked.error} />}
      {position && (
        <>
          <p className="sentence">
            {text}
            <span className="said">{position.answer.text}</span>
          </p>
          <div className="table-scroll" aria-busy={asked.busy}>
            <table className="lens" id="lens">
              <thead>
                <tr>
                  <th>{w.layer}</th>
                  <th>{w.says}</th>
                  <th>{w.chance}</th>
                  <th>{w.rank}</th>
                </tr>
              </thead>
              <tbody>
                {[...position.layers].reverse().map((row) => {
                  const same = row.next[0]?.id === position.answer.id;
                  const p = row.next[0]?.probability ?? 0;
                  return (
                    <tr key={row.layers_done} data-layer={row.layers_done} data-id={row.next[0]?.id} data-logprob={row.next[0]?.logprob} data-rank={row.answer_rank}>
                      <th scope="row" className="number">
                        {row.layers_done === 0 ? w.input : row.layers_done}
                        {row.layers_done === asked.value?.layers && ` · ${w.final}`}
                      </th>
                      <td>
                        <span
                          className="cell"
                          style={{ background: `color-mix(in srgb, var(${same ? "--accent" : "--line-strong"}) ${Math.round(6 + 36 * p)}%, transparent)` }}
                        >
                          {visible(row.next[0]?.text ?? "")}
                        </span>
                      </td>
                      <td className="number">{percent(p)}</td>
                      <td className="number">{row.answer_rank.toLocaleString()}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        </>
      )}
    </>
  );
}
