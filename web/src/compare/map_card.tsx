// Suites by versions, a hundred of them at a glance.
import { useApp, useLoaded } from "../app_context";
import { useWords } from "../i18n";
import { SuiteMap } from "../types";

export function MapCard({ chosen }: { chosen: string }) {
  const words = useWords();
  const { go, state } = useApp();
  const map = useLoaded<SuiteMap>(state?.workspace ? `/api/map?last=100&of=${state.versions}` : null);
  if (!map.value || map.value.suites.length === 0) return null;
  const { suites, versions } = map.value;
  return (
    <section className="card stack" aria-label={words.compare.map}>
      <div>
        <h2>{words.compare.map}</h2>
        <p className="small soft">{words.compare.mapHint}</p>
      </div>
      <div className="table-scroll" tabIndex={0}>
        <table className="map">
          <thead>
            <tr>
              <th scope="col">{words.versions.version}</th>
              {suites.map((s) => (
                <th scope="col" key={s} title={s}>
                  {s.replace(/^.*\/(?=.*\/)/, "")}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {versions.map((v, i) => (
              <tr key={v.version} aria-selected={v.version === chosen}>
                <th scope="row">
                  <button className="version-name small" onClick={() => go("compare", versions[i + 1]?.version ?? v.version, v.version)}>
                    {v.version}
                  </button>{" "}
                  {v.name}
                </th>
                {v.counts.map((c, k) => (
                  <td key={k}>
                    {c === null ? (
                      <span className="cell soft" title={words.compare.notAsked}>
                        –
                      </span>
                    ) : (
                      <span className="cell" title={`${suites[k]}: ${c[0]}/${c[1]}`} style={{ background: shade(c[0] / Math.max(1, c[1])) }}>
                        {c[0]}/{c[1]}
                      </span>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

// Text stays readable on it: the darkest shade is 45% of the accent.
function shade(share: number): string {
  return `color-mix(in srgb, var(--accent) ${Math.round(4 + 41 * share ** 2)}%, transparent)`;
}
