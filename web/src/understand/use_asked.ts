// A question to the model: the answer, whether one is being waited for, and what went wrong.
import { useCallback, useEffect, useRef, useState } from "react";

import { isAbort, post } from "../api";

export function useAsked<T>(): { value: T | null; busy: boolean; error: string | null; ask: (path: string, body: unknown) => Promise<T | null>; clear: () => void } {
  const [value, setValue] = useState<T | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const ask = useCallback(async (path: string, body: unknown) => {
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    setBusy(true);
    setError(null);
    try {
      const answer = await post<T>(path, body, mine.signal);
      setValue(answer);
      return answer;
    } catch (e) {
      if (!isAbort(e)) setError(String((e as Error).message));
      return null;
    } finally {
      if (abort.current === mine) setBusy(false);
    }
  }, []);
  return { value, busy, error, ask, clear: useCallback(() => setValue(null), []) };
}
