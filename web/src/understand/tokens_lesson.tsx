// English and Korean cut into tokens, side by side.
import { useEffect, useState } from "react";

import { useApp } from "../app_context";
import { visible } from "../format";
import { useWords } from "../i18n";
import { TokenPieces } from "../types";
import { Failure, Field } from "../ui/pieces";
import { useAsked } from "./use_asked";

export function TokensLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.tokens;
  const { state, language } = useApp();
  const [english, setEnglish] = useState(w.sampleEnglish);
  const [korean, setKorean] = useState(w.sampleKorean);
  const asked = useAsked<{ texts: TokenPieces[] }>();
  const { ask } = asked;
  useEffect(() => {
    const timer = setTimeout(() => void ask("/api/tokens", { model, texts: [english, korean] }), 150);
    return () => clearTimeout(timer);
  }, [ask, model, english, korean]);
  const pieces = asked.value?.texts ?? [];
  const chars = [english, korean].map((t) => [...t].length);
  const perChar = pieces.length === 2 && chars[0] > 0 && chars[1] > 0 ? [pieces[0].ids.length / chars[0], pieces[1].ids.length / chars[1]] : null;
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      {asked.error && <Failure text={asked.error} />}
      <Pieces label={w.english} lang="en" text={english} change={setEnglish} pieces={pieces[0]} />
      <Pieces label={w.korean} lang="ko" text={korean} change={setKorean} pieces={pieces[1]} />
      {perChar && (
        <p>
          <b>{w.ratio((perChar[1] / perChar[0]).toFixed(1))}</b> <span className="soft">{w.list(state?.vocab_size.toLocaleString(language) ?? "?")}</span>
        </p>
      )}
      {pieces.some((p) => p.tokens.some((t) => t.includes("\uFFFD"))) && <p className="small soft">{w.partial}</p>}
    </>
  );
}

function Pieces(props: { label: string; lang: string; text: string; change: (t: string) => void; pieces?: TokenPieces }) {
  const words = useWords();
  return (
    <div className="stack tight">
      <Field label={props.label}>
        <input className="input" lang={props.lang} value={props.text} onChange={(e) => props.change(e.target.value)} />
      </Field>
      {props.pieces && (
        <>
          <div className="tokens" data-tokens={props.lang}>
            {props.pieces.tokens.map((t, i) => (
              <span className="token" key={i}>
                {visible(t)}
                <small>{props.pieces?.ids[i]}</small>
              </span>
            ))}
          </div>
          <p className="small soft">{words.understand.tokens.count(props.pieces.ids.length, [...props.text].length)}</p>
        </>
      )}
    </div>
  );
}
