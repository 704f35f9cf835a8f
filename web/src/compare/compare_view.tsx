// Two versions over the same tests: what broke, what was fixed, what changed.
import { useEffect, useState } from "react";

import { isVersion, useApp, useLoaded } from "../app_context";
import { useWords } from "../i18n";
import { Comparison, Turn } from "../types";
import { Failure, Figure, NoWorkspace, PageHead, VersionSelect } from "../ui/pieces";
import { MapCard } from "./map_card";
import { TurnCard } from "./turn_card";

export function CompareView({ before, after }: { before?: string; after?: string }) {
  const words = useWords();
  const { state, versions, go } = useApp();
  const newest = versions[0];
  const right = after ?? newest?.version ?? "";
  const left = before ?? versions.find((v) => v.version === right)?.parent ?? versions[1]?.version ?? "";
  const ready = left !== "" && right !== "" && left !== right && isVersion(left) && isVersion(right);
  const loaded = useLoaded<Comparison>(ready ? `/api/compare?before=${encodeURIComponent(left)}&after=${encodeURIComponent(right)}` : null);
  return (
    <div className="page">
      <PageHead title={words.compare.title} hint={words.compare.hint} />
      {state && !state.workspace && <NoWorkspace />}
      <div className="row bottom">
        <VersionSelect label={words.compare.before} value={left} onChange={(v) => go("compare", v, right)} />
        <button className="button" onClick={() => go("compare", right, left)} aria-label={words.compare.swap} title={words.compare.swap}>
          ⇄
        </button>
        <VersionSelect label={words.compare.after} value={right} onChange={(v) => go("compare", left, v)} />
      </div>
      {loaded.error && <Failure text={loaded.error} retry={loaded.reload} />}
      {loaded.value && <Result comparison={loaded.value} before={left} after={right} />}
      <MapCard chosen={right} />
    </div>
  );
}

function Result({ comparison, before, after }: { comparison: Comparison; before: string; after: string }) {
  const words = useWords();
  const [only, setOnly] = useState<Turn | null>(null);
  const [shown, setShown] = useState(20);
  useEffect(() => setOnly(null), [before, after]);
  const { answers, verdict } = comparison;
  const asked = answers.broken + answers.fixed + answers.changed + answers.same;
  const cases = answers.cases.filter((c) => only === null || c.turn === only);
  const points = (v: number) => (v >= 0 ? "+" : "−") + Math.abs(100 * v).toFixed(1);
  const kinds: Turn[] = ["broken", "fixed", "changed"];
  return (
    <>
      <section className="card stack" aria-label={words.compare.title}>
        {asked === 0 ? (
          <p className="soft">{words.compare.none}</p>
        ) : (
          <>
            {verdict && (
              <div className="row">
                <span className={`tag ${verdict.verdict}`} id="verdict">
                  {words.compare.verdict[verdict.verdict] ?? verdict.verdict}
                </span>
                <span className="number">
                  {words.compare.points(points(verdict.numbers.difference), points(verdict.numbers.interval[0]), points(verdict.numbers.interval[1]))}
                </span>
                <span className="soft small">
                  McNemar p = {verdict.numbers.mcnemar_p.toPrecision(2)}. {words.compare.verdictHint(verdict.cases_missing)}
                </span>
              </div>
            )}
            <div className="figures">
              {kinds.map((k) => (
                <Figure key={k} value={answers[k]} label={words.compare[k]} />
              ))}
              <Figure value={answers.same} label={words.compare.same} />
              <Figure value={`${answers.passed_before} → ${answers.passed_after}`} label={words.versions.tests} />
            </div>
          </>
        )}
        <p className="small soft">
          {words.compare.data}: {words.compare.dataLine(comparison.rows.added, comparison.rows.removed, comparison.rows.same)}
        </p>
        {comparison.recipe.length > 0 && (
          <details>
            <summary className="small soft">{words.compare.settings}</summary>
            <dl className="facts small mono">
              {comparison.recipe.map((r) => (
                <div key={r.field} style={{ display: "contents" }}>
                  <dt>{r.field}</dt>
                  <dd>
                    {JSON.stringify(r.before)} → {JSON.stringify(r.after)}
                  </dd>
                </div>
              ))}
            </dl>
          </details>
        )}
      </section>
      {asked > 0 && answers.cases.length === 0 && <p className="note good">{words.compare.allSame}</p>}
      {answers.cases.length > 0 && (
        <>
          <div className="row" role="group" aria-label={words.compare.filter}>
            <button className="button small" aria-pressed={only === null} onClick={() => setOnly(null)}>
              {words.compare.all} {answers.cases.length}
            </button>
            {kinds
              .filter((k) => answers[k] > 0)
              .map((k) => (
                <button key={k} className="button small" aria-pressed={only === k} onClick={() => setOnly(k)}>
                  {words.compare[k]} {answers[k]}
                </button>
              ))}
          </div>
          <div className="stack" id="turned">
            {cases.slice(0, shown).map((c) => (
              <TurnCard key={`${c.suite}/${c.id}`} turned={c} before={before} after={after} />
            ))}
          </div>
          {cases.length > shown && (
            <button className="button" onClick={() => setShown(shown + 50)}>
              {words.compare.more(Math.min(50, cases.length - shown))}
            </button>
          )}
        </>
      )}
    </>
  );
}
