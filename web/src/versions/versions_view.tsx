// Every version, and one of them looked at closely.
import { useMemo, useState } from "react";

import { post } from "../api";
import { isVersion, useApp } from "../app_context";
import { moment } from "../format";
import { useWords } from "../i18n";
import { RunningJob } from "../tune/running_job";
import { VersionLine } from "../types";
import { NoWorkspace, PageHead } from "../ui/pieces";
import { VersionCard } from "./version_card";

export function VersionsView({ chosen }: { chosen?: string }) {
  const words = useWords();
  const { state, versions, go, refresh, say, fail } = useApp();
  const [shown, setShown] = useState(30);
  const selected = useMemo(() => versions.find((v) => (v.version === chosen && isVersion(v.version)) || v.aliases.includes(chosen ?? "")), [versions, chosen]);
  const rollback = async (alias: string) => {
    try {
      const back = await post<{ alias: string; version: string }>(`/api/aliases/${encodeURIComponent(alias)}/rollback`, {});
      say(words.versions.rolledBack(back.alias, back.version));
      await refresh();
    } catch (e) {
      fail(e);
    }
  };
  return (
    <div className="page">
      <PageHead title={words.versions.title} hint={words.versions.hint} />
      {state && !state.workspace && <NoWorkspace />}
      <RunningJob />
      {selected && <VersionCard key={selected.version} line={selected} />}
      {state && Object.keys(state.aliases).length > 0 && (
        <section className="card row apart" aria-label={words.versions.aliases}>
          <div className="figures">
            {Object.entries(state.aliases).map(([alias, version]) => (
              <div className="row" key={alias} data-alias={alias}>
                <span className="tag accent">{alias}</span>
                <b>{version}</b>
                <button className="button small" onClick={() => void rollback(alias)}>
                  {words.versions.rollback}
                </button>
              </div>
            ))}
          </div>
        </section>
      )}
      <section className="card" aria-label={words.versions.title}>
        <div className="table-scroll">
          <table className="table" id="versions">
            <thead>
              <tr>
                <th>{words.versions.version}</th>
                <th>{words.versions.aliases}</th>
                <th>{words.versions.tests}</th>
                <th>{words.versions.madeBy}</th>
                <th>{words.versions.parent}</th>
                <th>{words.versions.made}</th>
              </tr>
            </thead>
            <tbody>
              {versions.slice(0, shown).map((v) => (
                <Line key={v.version} line={v} here={v === selected} open={() => go("versions", v.version)} />
              ))}
            </tbody>
          </table>
        </div>
        {!versions.some((v) => v.version !== "v0") && <p className="soft">{words.versions.none}</p>}
        {versions.length > shown && (
          <button className="button" onClick={() => setShown(shown + 100)}>
            {words.compare.more(Math.min(100, versions.length - shown))}
          </button>
        )}
      </section>
    </div>
  );
}

function Line({ line, here, open }: { line: VersionLine; here: boolean; open: () => void }) {
  const words = useWords();
  const { language } = useApp();
  return (
    <tr data-version={line.version} aria-selected={here}>
      <td>
        {isVersion(line.version) ? (
          <button className="version-name" onClick={open}>
            {line.version}
          </button>
        ) : (
          line.version
        )}{" "}
        <span className="soft">{line.version === "v0" ? words.base : line.name}</span>
      </td>
      <td>
        <span className="row">
          {line.aliases.map((a) => (
            <span className="tag accent" key={a}>
              {a}
            </span>
          ))}
        </span>
      </td>
      <td className="number">{line.cases > 0 && <Passed passed={line.passed} cases={line.cases} />}</td>
      <td>{words.versions.by[line.made_by] ?? line.made_by}</td>
      <td>{line.parent}</td>
      <td className="soft small">{line.created !== "" && moment(line.created, language)}</td>
    </tr>
  );
}

export function Passed({ passed, cases }: { passed: number; cases: number }) {
  return (
    <span style={{ whiteSpace: "nowrap" }}>
      <span className="pass-bar" aria-hidden="true">
        <i style={{ width: `${(100 * passed) / cases}%` }} />
      </span>
      {passed}/{cases}
    </span>
  );
}
