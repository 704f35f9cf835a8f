// Markdown of answers as React elements. No HTML is ever taken from the text: what is not understood stays text.
// Understood: paragraphs, headings, lists, quotes, code, tables, bold, italics, links to http(s) (shown, never fetched).
import { Fragment, ReactNode } from "react";

const kInline = /(`+)([\s\S]*?[^`])\1(?!`)|\*\*([^\s*](?:[\s\S]*?[^\s])?)\*\*|(?<![\w*])\*([^\s*](?:[^*]*?[^\s*])?)\*(?![\w*])|\[([^\]\n]+)\]\((https?:\/\/[^\s()]+)\)/g;

export function inline(text: string, depth = 0): ReactNode {
  if (depth > 4) return text;
  const out: ReactNode[] = [];
  let from = 0;
  for (const m of text.matchAll(kInline)) {
    const at = m.index ?? 0;
    if (at > from) out.push(text.slice(from, at));
    if (m[2] !== undefined) out.push(<code key={at}>{m[2].trim()}</code>);
    else if (m[3] !== undefined) out.push(<strong key={at}>{inline(m[3], depth + 1)}</strong>);
    else if (m[4] !== undefined) out.push(<em key={at}>{inline(m[4], depth + 1)}</em>);
    else
      out.push(
        <a key={at} href={m[6]} rel="noreferrer noopener" target="_blank">
          {m[5]}
        </a>,
      );
    from = at + m[0].length;
  }
  if (from === 0) return text;
  if (from < text.length) out.push(text.slice(from));
  return out;
}

function lines(text: string): ReactNode {
  return text.split("\n").map((line, i) => (
    <Fragment key={i}>
      {i > 0 && <br />}
      {inline(line)}
    </Fragment>
  ));
}

function cells(line: string): string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((c) => c.trim());
}

const kItem = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

function list(items: string[], key: number): ReactNode {
  const first = kItem.exec(items[0]);
  const ordered = first !== null && /\d/.test(first[2]);
  const children: { text: string; below: string[] }[] = [];
  const indent = first ? first[1].length : 0;
  for (const line of items) {
    const m = kItem.exec(line);
    if (m && m[1].length <= indent) children.push({ text: m[3], below: [] });
    else if (children.length > 0) children[children.length - 1].below.push(line);
  }
  const body = children.map((child, i) => (
    <li key={i}>
      {inline(child.text)}
      {child.below.length > 0 && (kItem.test(child.below[0]) ? list(child.below, i) : <div>{lines(child.below.join("\n").trim())}</div>)}
    </li>
  ));
  return ordered ? (
    <ol key={key} start={Number.parseInt(first?.[2] ?? "1", 10)}>
      {body}
    </ol>
  ) : (
    <ul key={key}>{body}</ul>
  );
}

export function blocks(text: string, depth = 0): ReactNode[] {
  const all = text.replace(/\r\n?/g, "\n").split("\n");
  const out: ReactNode[] = [];
  let i = 0;
  const take = (test: (line: string) => boolean): string[] => {
    const from = i;
    while (i < all.length && test(all[i])) i += 1;
    return all.slice(from, i);
  };
  while (i < all.length) {
    const line = all[i];
    const key = i;
    const fence = /^\s*(```+|~~~+)\s*([\w+#.-]*)/.exec(line);
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    if (line.trim() === "") {
      i += 1;
    } else if (fence) {
      i += 1;
      const code = take((l) => !l.trim().startsWith(fence[1]));
      i += 1;
      out.push(
        <pre key={key} tabIndex={0}>
          <code>{code.join("\n")}</code>
        </pre>,
      );
    } else if (heading) {
      i += 1;
      out.push(heading[1].length <= 2 ? <h2 key={key}>{inline(heading[2])}</h2> : <h3 key={key}>{inline(heading[2])}</h3>);
    } else if (/^\s*>/.test(line) && depth < 5) {
      const quoted = take((l) => /^\s*>/.test(l)).map((l) => l.replace(/^\s*> ?/, ""));
      out.push(<blockquote key={key}>{blocks(quoted.join("\n"), depth + 1)}</blockquote>);
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      i += 1;
      out.push(<hr key={key} />);
    } else if (kItem.test(line)) {
      out.push(list(take((l) => kItem.test(l) || (l.trim() !== "" && /^\s{2,}/.test(l))), key));
    } else if (line.includes("|") && i + 1 < all.length && /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(all[i + 1]) && all[i + 1].includes("|")) {
      const head = cells(line);
      i += 2;
      const body = take((l) => l.includes("|") && l.trim() !== "").map(cells);
      out.push(
        <div key={key} className="table-scroll">
          <table>
            <thead>
              <tr>{head.map((c, n) => <th key={n}>{inline(c)}</th>)}</tr>
            </thead>
            <tbody>
              {body.map((r, n) => (
                <tr key={n}>{r.map((c, k) => <td key={k}>{inline(c)}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>,
      );
    } else {
      const paragraph = [line];
      i += 1;
      paragraph.push(...take((l) => l.trim() !== "" && !kItem.test(l) && !/^\s*(```|~~~|#{1,6}\s|>)/.test(l)));
      out.push(<p key={key}>{lines(paragraph.join("\n"))}</p>);
    }
  }
  return out;
}

export function Markdown({ text, after }: { text: string; after?: ReactNode }) {
  return (
    <div className="markdown">
      {blocks(text)}
      {after}
    </div>
  );
}
