// Lessons, each on the real model.
import { KeyboardEvent, useEffect, useState } from "react";

import { useApp } from "../app_context";
import { useWords } from "../i18n";
import { PageHead, VersionSelect } from "../ui/pieces";
import { AdapterLesson } from "./adapter_lesson";
import { BeforeLesson } from "./before_lesson";
import { LensLesson } from "./lens_lesson";
import { NextLesson } from "./next_lesson";
import { TokensLesson } from "./tokens_lesson";
import { WatchLesson } from "./watch_lesson";
import { WeightsLesson } from "./weights_lesson";
import { WordLesson } from "./word_lesson";

const kLessons = {
  next: NextLesson,
  tokens: TokensLesson,
  weights: WeightsLesson,
  adapter: AdapterLesson,
  before: BeforeLesson,
  lens: LensLesson,
  word: WordLesson,
  watch: WatchLesson,
};
type LessonName = keyof typeof kLessons;
const kNames = Object.keys(kLessons) as LessonName[];

export function UnderstandView({ lesson }: { lesson?: string }) {
  const words = useWords();
  const { state, versions, go } = useApp();
  const name = kNames.find((n) => n === lesson) ?? "next";
  const [model, setModel] = useState("");
  useEffect(() => {
    if (model === "" && versions.length > 0) setModel(state?.aliases.stable ?? versions[0].version);
  }, [model, versions, state]);
  useEffect(() => {
    document.getElementById(`lesson-${name}`)?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [name]);
  const Lesson = kLessons[name];
  const move = (e: KeyboardEvent) => {
    const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    e.preventDefault();
    const next = kNames[(kNames.indexOf(name) + step + kNames.length) % kNames.length];
    go("understand", next);
    document.getElementById(`lesson-${next}`)?.focus();
  };
  return (
    <div className="page">
      <PageHead title={words.understand.title} hint={words.understand.hint}>
        {versions.length > 0 && name !== "before" && name !== "watch" && (
          <VersionSelect label={words.understand.model} value={model} onChange={setModel} />
        )}
      </PageHead>
      <div className="lessons" role="tablist" aria-label={words.understand.title} onKeyDown={move}>
        {kNames.map((n) => (
          <button key={n} id={`lesson-${n}`} role="tab" aria-selected={n === name} aria-controls="lesson" tabIndex={n === name ? 0 : -1} onClick={() => go("understand", n)}>
            {words.understand.lessons[n]}
          </button>
        ))}
      </div>
      <section id="lesson" role="tabpanel" aria-labelledby={`lesson-${name}`} className="card stack">
        {model !== "" && <Lesson model={model} />}
      </section>
    </div>
  );
}
