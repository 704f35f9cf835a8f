// One version: where it comes from, how it learned, what it passes, and putting it out.
import { useState } from "react";

import { post } from "../api";
import { useApp, useLoaded } from "../app_context";
import { bytes, moment } from "../format";
import { useWords } from "../i18n";
import { Curve, VersionDetails, VersionLine } from "../types";
import { LineChart } from "../ui/line_chart";
import { Failure, Field, Figure } from "../ui/pieces";
import { Passed } from "./versions_view";

export function VersionCard({ line }: { line: VersionLine }) {
  const words = useWords();
  const { go } = useApp();
  const details = useLoaded<VersionDetails>(`/api/versions/${line.version}`);
  const curve = useLoaded<Curve>(line.version === "v0" ? null : `/api/versions/${line.version}/curve`);
  const d = details.value;
  return (
    <section className="card stack" aria-label={line.version} data-card={line.version}>
      <div className="row apart">
        <h2>
          {line.version} <span className="soft">{line.version === "v0" ? words.base : line.name}</span>
        </h2>
        <div className="row">
          <button className="button main" onClick={() => go("chat", line.version)}>
            {words.versions.chat}
          </button>
          {line.parent && (
            <button className="button" onClick={() => go("compare", line.parent ?? "", line.version)}>
              {words.versions.compare}
            </button>
          )}
        </div>
      </div>
      <Lineage line={line} />
      {details.error && <Failure text={details.error} retry={details.reload} />}
      {d && <Figures details={d} />}
      {curve.value && curve.value.train.length > 0 && (
        <div>
          <h3>{words.versions.loss}</h3>
          <LineChart
            label={words.versions.loss}
            xLabel={words.versions.step}
            lines={[
              { name: words.versions.trainLoss, color: "accent", points: curve.value.train.map((p) => ({ x: p.step, y: p.loss })) },
              { name: words.versions.evalLoss, color: "second", dots: true, points: curve.value.eval.map((p) => ({ x: p.step, y: p.loss })) },
            ]}
          />
        </div>
      )}
      {d && (
        <div className="two">
          <Facts details={d} />
          <div className="stack">
            <Suites details={d} done={details.reload} />
            <Promote line={line} done={details.reload} />
            <History details={d} />
          </div>
        </div>
      )}
    </section>
  );
}

function Lineage({ line }: { line: VersionLine }) {
  const words = useWords();
  const { versions, go } = useApp();
  const chain: VersionLine[] = [line];
  while (chain.length < 100) {
    const parent = versions.find((v) => v.version === chain[0].parent);
    if (!parent || chain.includes(parent)) break;
    chain.unshift(parent);
  }
  const base = chain[0].version === "v0" || chain[0].parent === null;
  const children = versions.filter((v) => v.parent === line.version);
  const shown = chain.length > 8 ? chain.slice(-7) : chain;
  return (
    <nav className="lineage small" aria-label={words.versions.lineage}>
      {base && chain[0].version !== "v0" && <span className="soft">{words.base} →</span>}
      {shown.length < chain.length && <span className="soft">… →</span>}
      {shown.map((v) => (
        <span key={v.version} className="row">
          {v === line ? (
            <span className="here" aria-current="true">
              {v.version}
            </span>
          ) : (
            <>
              <button className="version-name" onClick={() => go("versions", v.version)}>
                {v.version}
              </button>
              <span className="soft">→</span>
            </>
          )}
        </span>
      ))}
      {children.map((v, i) => (
        <span key={v.version} className="row">
          <span className="soft">{i === 0 ? "→" : "·"}</span>
          <button className="version-name" onClick={() => go("versions", v.version)}>
            {v.version}
          </button>
        </span>
      ))}
    </nav>
  );
}

function Figures({ details }: { details: VersionDetails }) {
  const words = useWords();
  const { language } = useApp();
  const m = details.metrics ?? {};
  const number = (name: string): number | null => (typeof m[name] === "number" ? (m[name] as number) : null);
  const [steps, loss, learned, speed] = [number("steps"), number("train_loss"), number("learned_tokens"), number("tokens_per_s")];
  return (
    <div className="figures">
      {loss !== null && <Figure value={loss.toFixed(3)} label={words.versions.finalLoss} />}
      {steps !== null && <Figure value={steps.toLocaleString(language)} label={words.versions.steps} />}
      {learned !== null && <Figure value={learned.toLocaleString(language)} label={words.versions.tokensLearned} />}
      {speed !== null && <Figure value={Math.round(speed).toLocaleString(language)} label={words.versions.speed} />}
      {details.bytes > 0 && <Figure value={bytes(details.bytes)} label={words.versions.files} />}
    </div>
  );
}

function Facts({ details }: { details: VersionDetails }) {
  const words = useWords();
  const { language } = useApp();
  const recipe = details.recipe ?? {};
  const kept = ["epochs", "steps", "batch_size", "rank", "lr", "schedule", "seed"].filter((k) => recipe[k] !== undefined && recipe[k] !== 0);
  return (
    <div className="stack tight">
      <h3>{words.versions.facts}</h3>
      <dl className="facts small">
        <dt>{words.versions.madeBy}</dt>
        <dd>{words.versions.by[details.made_by] ?? details.made_by}</dd>
        <dt>{words.versions.made}</dt>
        <dd>
          {moment(details.created, language)} · {details.program}
        </dd>
        {details.data.map((f) => (
          <div key={f.sha256 + f.role} style={{ display: "contents" }}>
            <dt>{words.versions.data}</dt>
            <dd>
              {f.path.replace(/^.*\//, "")} · {words.rows(f.rows)}
            </dd>
          </div>
        ))}
        {kept.length > 0 && (
          <>
            <dt>{words.versions.recipe}</dt>
            <dd className="mono">{kept.map((k) => `${k} ${String(recipe[k])}`).join(", ")}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

function Suites({ details, done }: { details: VersionDetails; done: () => void }) {
  const words = useWords();
  const { fail, refresh } = useApp();
  const known = useLoaded<{ suites: { name: string }[] }>("/api/suites");
  const [suite, setSuite] = useState("");
  const names = known.value?.suites.map((s) => s.name) ?? [];
  const chosen = suite || names[0] || "";
  const run = async () => {
    try {
      await post("/api/jobs", { kind: "test", version: details.version, suite: chosen });
      await refresh();
      done();
    } catch (e) {
      fail(e);
    }
  };
  return (
    <div className="stack tight">
      <h3>{words.versions.suites}</h3>
      {details.suites.map((s) => (
        <div className="row apart small" key={s.suite}>
          <span>{s.suite}</span>
          <Passed passed={s.passed} cases={s.cases} />
        </div>
      ))}
      {known.value && names.length === 0 && <p className="small soft">{words.versions.noSuites}</p>}
      {names.length > 0 && (
        <div className="row">
          <select className="input grow" aria-label={words.versions.suites} value={chosen} onChange={(e) => setSuite(e.target.value)}>
            {names.map((n) => (
              <option key={n}>{n}</option>
            ))}
          </select>
          <button className="button" onClick={() => void run()}>
            {words.versions.runTest}
          </button>
        </div>
      )}
    </div>
  );
}

function Promote({ line, done }: { line: VersionLine; done: () => void }) {
  const words = useWords();
  const { refresh, say, fail } = useApp();
  const [alias, setAlias] = useState("stable");
  const promote = async () => {
    try {
      await post(`/api/versions/${line.version}/promote`, { alias });
      say(words.versions.promoted(alias, line.version));
      await refresh();
      done();
    } catch (e) {
      fail(e);
    }
  };
  return (
    <form
      className="row bottom"
      onSubmit={(e) => {
        e.preventDefault();
        void promote();
      }}
    >
      <div className="grow">
        <Field label={words.versions.promoteTo}>
          <input className="input" name="alias" value={alias} onChange={(e) => setAlias(e.target.value)} />
        </Field>
      </div>
      <button className="button" data-action="promote" disabled={alias.trim() === "" || line.aliases.includes(alias)}>
        {words.versions.promote}
      </button>
    </form>
  );
}

function History({ details }: { details: VersionDetails }) {
  const words = useWords();
  const { language } = useApp();
  if (details.history.length === 0) return null;
  return (
    <div className="stack tight">
      <h3>{words.versions.history}</h3>
      <dl className="facts small">
        {details.history.map((h, i) => (
          <div key={i} style={{ display: "contents" }}>
            <dt>{moment(h.at, language)}</dt>
            <dd>
              {h.alias}: {h.from ? `${h.from} → ` : ""}
              {h.version}, {h.action === "promote" ? words.versions.promoteAction : words.versions.rollbackAction}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
