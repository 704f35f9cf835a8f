// The frame around the views: navigation, language, theme, shortcuts.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { get, onKeyNeeded, setKey } from "./api";
import { App, AppContext, hashOf, routeOf, Toast } from "./app_context";
import { ChatView } from "./chat/chat_view";
import { CompareView } from "./compare/compare_view";
import { firstLanguage, Language, LanguageContext, wordsOf } from "./i18n";
import { KeyDialog } from "./key_dialog";
import { Shortcuts } from "./shortcuts";
import { applyTheme, firstTheme, Theme } from "./theme";
import { TuneView } from "./tune/tune_view";
import { ServerState, VersionLine } from "./types";
import { FaultBoundary } from "./ui/fault_boundary";
import { Icon, IconName, Mark } from "./ui/icons";
import { UnderstandView } from "./understand/understand_view";
import { VersionsView } from "./versions/versions_view";

const kViews = ["chat", "versions", "compare", "tune", "understand"] as const;
type View = typeof kViews[number];

export function Page() {
  const [language, setLanguage] = useState<Language>(firstLanguage);
  const [theme, setTheme] = useState<Theme>(firstTheme);
  const [route, setRoute] = useState(() => routeOf(location.hash));
  const [state, setState] = useState<ServerState | null>(null);
  const [versions, setVersions] = useState<VersionLine[]>([]);
  const [toast, setToast] = useState<Toast | null>(null);
  const [help, setHelp] = useState(false);
  const [keyNeeded, setKeyNeeded] = useState(false);
  const words = wordsOf(language);
  const main = useRef<HTMLElement>(null);
  const view: View = kViews.find((v) => v === route[0]) ?? "chat";

  const go = useCallback((...parts: string[]) => {
    location.hash = hashOf(parts);
  }, []);
  const say = useCallback((text: string, bad = false) => setToast({ text, bad }), []);
  const fail = useCallback((error: unknown) => setToast({ text: String((error as Error)?.message ?? error), bad: true }), []);
  const refresh = useCallback(async () => {
    try {
      const [s, v] = await Promise.all([get<ServerState>("/api/state"), get<{ versions: VersionLine[] }>("/api/versions?last=1000")]);
      setState(s);
      setVersions(v.versions);
    } catch (error) {
      fail(error);
    }
  }, [fail]);

  useEffect(() => onKeyNeeded(() => setKeyNeeded(true)), []);
  useEffect(() => {  // and when one comes back: the command line makes versions, too
    void refresh();
    const back = () => void refresh();
    addEventListener("focus", back);
    return () => removeEventListener("focus", back);
  }, [refresh]);
  useEffect(() => {
    const changed = () => setRoute(routeOf(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `Hew · ${words.views[view]}`;
  }, [language, view, words]);
  useEffect(() => {
    main.current?.scrollTo(0, 0); // what newer browsers return of it is no clean-up for React to call
  }, [view]);
  useEffect(() => applyTheme(theme), [theme]);
  useEffect(() => {
    if (!toast) return undefined;
    const timer = setTimeout(() => setToast(null), toast.bad ? 8000 : 4000);
    return () => clearTimeout(timer);
  }, [toast]);
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      const typing = e.target instanceof HTMLElement && e.target.closest("input, textarea, select, dialog") !== null;
      if (e.altKey && !e.ctrlKey && !e.metaKey && /^Digit[1-5]$/.test(e.code)) {
        e.preventDefault();
        go(kViews[Number(e.code.slice(5)) - 1]);
      } else if (!typing && !e.ctrlKey && !e.metaKey && !e.altKey && e.key === "?") {
        e.preventDefault();
        setHelp(true);
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [go]);

  const app = useMemo<App>(() => ({ state, versions, refresh, route, go, say, fail, language }), [state, versions, refresh, route, go, say, fail, language]);
  const nextTheme: Theme = theme === "system" ? "light" : theme === "light" ? "dark" : "system";
  return (
    <LanguageContext.Provider value={language}>
      <AppContext.Provider value={app}>
        <a className="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
          {words.skip}
        </a>
        <div className="shell">
          <header className="side">
            <div className="brand">
              <Mark />
              <span>Hew</span>
            </div>
            <nav aria-label={words.navigation}>
              {kViews.map((v, i) => (
                <a key={v} href={hashOf([v])} aria-current={v === view ? "page" : undefined} title={`Alt+${i + 1}`}>
                  <Icon name={v as IconName} />
                  <span>{words.views[v]}</span>
                </a>
              ))}
            </nav>
            <div className="foot">
              {state && (
                <div className="model small soft" title={state.program}>
                  {state.model}
                </div>
              )}
              <div className="switches">
                <button
                  className="button quiet small"
                  lang={language === "en" ? "ko" : "en"}
                  aria-label={words.languageLabel}
                  onClick={() => {
                    const other = language === "en" ? "ko" : "en";
                    localStorage.setItem("hew.language", other);
                    setLanguage(other);
                  }}
                >
                  {words.language}
                </button>
                <button className="button quiet small" aria-label={words.theme[theme]} title={words.theme[theme]} onClick={() => setTheme(nextTheme)}>
                  <Icon name={theme} size={18} />
                </button>
                <button className="button quiet small wide-only" aria-label={words.shortcuts.open} title={`${words.shortcuts.open} (?)`} onClick={() => setHelp(true)}>
                  <Icon name="keys" size={18} />
                </button>
              </div>
            </div>
          </header>
          <main className="content" id="main" tabIndex={-1} ref={main}>
            {/* The chat stays alive while other views are looked at, so that an answer goes on. */}
            <div hidden={view !== "chat"} style={{ height: "100%" }}>
              <ChatView active={view === "chat"} />
            </div>
            <FaultBoundary resetKey={route.join("/")}>
              {view === "versions" && <VersionsView chosen={route[1]} />}
              {view === "compare" && <CompareView before={route[1]} after={route[2]} />}
              {view === "tune" && <TuneView />}
              {view === "understand" && <UnderstandView lesson={route[1]} />}
            </FaultBoundary>
          </main>
        </div>
        <div aria-live="polite">{toast && <div className={toast.bad ? "toast bad" : "toast"}>{toast.text}</div>}</div>
        {keyNeeded && (
          <KeyDialog
            done={(key) => {
              setKey(key);
              setKeyNeeded(false);
              void refresh();
            }}
          />
        )}
        {help && <Shortcuts close={() => setHelp(false)} />}
      </AppContext.Provider>
    </LanguageContext.Provider>
  );
}
