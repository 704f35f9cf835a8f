// What every view may use: the server's state, the versions, where we are, and a word at the bottom of the screen.
import { createContext, useCallback, useContext, useEffect, useState } from "react";

import { get, isAbort } from "./api";
import { Language } from "./i18n";
import { ServerState, VersionLine } from "./types";

export interface Toast {
  text: string;
  bad: boolean;
}

export interface App {
  state: ServerState | null;
  versions: VersionLine[];
  refresh: () => Promise<void>;
  route: string[];
  go: (...parts: string[]) => void;
  say: (text: string, bad?: boolean) => void;
  fail: (error: unknown) => void;
  language: Language;
}

export const AppContext = createContext<App | null>(null);
export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("outside of the page");
  return app;
}

export function routeOf(hash: string): string[] {
  return hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
}

export function hashOf(parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

// Loads from `path` and again whenever it changes; null waits. A new load aborts the one before.
export function useLoaded<T>(path: string | null): { value: T | null; error: string | null; reload: () => void } {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    setError(null);
    get<T>(path, abort.signal)
      .then((loaded) => setValue(loaded))
      .catch((e) => {
        if (!isAbort(e)) setError(String((e as Error).message));
      });
    return () => abort.abort();
  }, [path, turn]);
  useEffect(() => setValue(null), [path]);
  return { value, error, reload: useCallback(() => setTurn((n) => n + 1), []) };
}

// A version of the workspace, not an adapter or a base that the server was given.
export function isVersion(name: string): boolean {
  return /^v\d+$/.test(name);
}

// How versions are offered: aliases named beside them, newest first, the base last.
export function labelOf(version: VersionLine, base: string): string {
  if (version.made_by === "base") return `${version.version} · ${base}`;
  return [version.version, version.name, ...version.aliases].filter((s) => s !== "").join(" · ");
}
