// Talk to one version, or to two side by side.
import { useCallback, useEffect, useRef, useState } from "react";

import { useApp } from "../app_context";
import { useWords } from "../i18n";
import { Icon } from "../ui/icons";
import { VersionSelect } from "../ui/pieces";
import { ask } from "./ask";
import { AnswerView } from "./answer_view";
import { Composer, ComposerHandle } from "./composer";
import { Answer, messagesFor, newAnswer, Turn } from "./conversation";
import { kDefaults, keepSampling, keptSampling, Sampling } from "./sampling";
import { SamplingForm } from "./sampling_form";

export function ChatView({ active }: { active: boolean }) {
  const words = useWords();
  const { state, versions, route } = useApp();
  const [columns, setColumns] = useState<string[]>([]);
  const [turns, setTurns] = useState<Turn[]>([]);
  const [sampling, setSampling] = useState<Sampling>(keptSampling);
  const [showSettings, setShowSettings] = useState(false);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const composer = useRef<ComposerHandle>(null);
  const log = useRef<HTMLDivElement>(null);
  const nextKey = useRef(1);

  useEffect(() => keepSampling(sampling), [sampling]);
  useEffect(() => {  // the version put out, else the newest
    if (columns.length === 0 && versions.length > 0) setColumns([state?.aliases.stable ?? versions[0].version]);
  }, [columns.length, versions, state]);
  useEffect(() => {  // #/chat/v3 or #/chat/v2/v3
    if (route[0] === "chat" && route.length > 1) setColumns(route.slice(1, 3).map((v) => state?.aliases[v] ?? v));
  }, [route, state]);

  const stop = useCallback(() => running.current?.abort(), []);

  const run = useCallback(
    async (all: Turn[], at: number) => {
      running.current?.abort();
      const abort = new AbortController();
      running.current = abort;
      setBusy(true);
      const key = all[at].key;
      const change = (column: number, part: Partial<Answer>) =>
        setTurns((now) => now.map((t) => (t.key === key ? { ...t, answers: t.answers.map((a, i) => (i === column ? { ...a, ...part } : a)) } : t)));
      await Promise.all(
        all[at].answers.map((answer, column) => ask(answer.version, messagesFor(all, at, column, sampling.system), sampling, abort.signal, (part) => change(column, part))),
      );
      if (running.current === abort) {
        running.current = null;
        setBusy(false);
      }
    },
    [sampling],
  );

  const send = useCallback(
    (text: string, before: Turn[] = turns, on: string[] = columns) => {
      const turn: Turn = { key: nextKey.current++, asked: text, answers: on.map(newAnswer) };
      const all = [...before, turn];
      setTurns(all);
      void run(all, all.length - 1);
    },
    [turns, columns, run],
  );

  const edit = (index: number) => {
    composer.current?.put(turns[index].asked);
    stop();
    setTurns(turns.slice(0, index));
  };
  const toggleSide = useCallback(() => {
    setColumns((now) => (now.length > 1 ? now.slice(0, 1) : [now[0], versions.find((v) => v.version !== now[0])?.version ?? now[0]]));
  }, [versions]);

  useEffect(() => {
    if (!active) return undefined;
    const pressed = (e: KeyboardEvent) => {
      const typing = e.target instanceof HTMLElement && e.target.closest("input, textarea, select, dialog") !== null;
      if (e.key === "Escape" && running.current) stop();
      else if (e.key === "/" && !typing) {
        e.preventDefault();
        composer.current?.focus();
      } else if (e.altKey && e.code === "KeyS") {
        e.preventDefault();
        toggleSide();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [active, stop, toggleSide]);

  // Follows the answer down, unless the reader has scrolled up.
  const pinned = useRef(true);
  useEffect(() => {
    if (log.current && pinned.current) log.current.scrollTop = log.current.scrollHeight;
  }, [turns]);

  const pair = columns.length > 1;
  return (
    <div className="chat">
      <h1 className="hidden-text">{words.views.chat}</h1>
      <div className="chat-bar">
        {columns.map((version, i) => (
          <VersionSelect
            key={i}
            id={`chat-version-${i}`}
            bare
            label={i === 0 ? words.chat.version : words.chat.second}
            value={version}
            onChange={(v) => setColumns(columns.map((c, k) => (k === i ? v : c)))}
          />
        ))}
        <button className="button quiet" aria-pressed={pair} onClick={toggleSide} title="Alt+S" disabled={versions.length === 0}>
          <Icon name="columns" size={18} />
          <span>{pair ? words.chat.single : words.chat.sideBySide}</span>
        </button>
        <span className="grow" />
        <button className="button quiet" aria-expanded={showSettings} onClick={() => setShowSettings(!showSettings)}>
          <Icon name="sliders" size={18} />
          <span>{words.chat.settings}</span>
        </button>
        {turns.length > 0 && (
          <button
            className="button quiet"
            onClick={() => {
              stop();
              setTurns([]);
              composer.current?.focus();
            }}
          >
            {words.chat.clear}
          </button>
        )}
      </div>
      {showSettings && <SamplingForm value={sampling} onChange={setSampling} reset={() => setSampling(kDefaults)} />}
      <div
        className="chat-log"
        ref={log}
        role="log"
        aria-label={words.chat.conversation}
        aria-live="off"
        onScroll={(e) => {
          const box = e.currentTarget;
          pinned.current = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
        }}
      >
        {turns.length === 0 ? (
          <div className="empty">
            <h2>{words.chat.title}</h2>
            <p>{words.chat.hint}</p>
            <div className="suggestions">
              {words.chat.suggestions.map((text) => (
                <button key={text} className="button" disabled={columns.length === 0} onClick={() => send(text)}>
                  {text}
                </button>
              ))}
            </div>
          </div>
        ) : (
          <div className={pair ? "chat-turns wide" : "chat-turns"}>
            {turns.map((turn, index) => (
              <article className="stack" key={turn.key}>
                <div className="asked" aria-label={words.chat.you}>
                  {turn.asked}
                </div>
                <div className="asked-tools">
                  <button className="button quiet small" onClick={() => edit(index)}>
                    {words.chat.edit}
                  </button>
                  {index === turns.length - 1 && !busy && (
                    <button className="button quiet small" onClick={() => send(turn.asked, turns.slice(0, index))}>
                      {words.chat.again}
                    </button>
                  )}
                </div>
                <div className={turn.answers.length > 1 ? "answers pair" : "answers"}>
                  {turn.answers.map((answer, column) => (
                    <AnswerView key={column} answer={answer} messages={messagesFor(turns, index, column, sampling.system)} askAgain={(version) => (setColumns([version]), send(turn.asked, turns.slice(0, index), [version]))} />
                  ))}
                </div>
              </article>
            ))}
          </div>
        )}
      </div>
      <LastWords turns={turns} />
      <Composer ref={composer} busy={busy} ready={columns.length > 0} send={send} stop={stop} />
    </div>
  );
}

// For screen readers: the whole answer once it has ended; a stream read out piece by piece cannot be followed.
function LastWords({ turns }: { turns: Turn[] }) {
  const words = useWords();
  const last = turns[turns.length - 1];
  const busy = last?.answers.some((a) => a.state === "running") ?? false;
  return (
    <div className="hidden-text" role="status">
      {last && (busy ? words.chat.answering : last.answers.map((a) => `${a.version}: ${a.text}`).join("\n"))}
    </div>
  );
}
