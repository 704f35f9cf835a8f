// Requests to the server this page came from, and its streams of events.
import { EventParser } from "./api_events";

export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly param: string | null) {
    super(message);
  }
}

// A server that others reach asks for a key; it is kept for this tab alone.
let key = sessionStorage.getItem("hew.key") ?? "";
let askKey: () => void = () => undefined;
export function onKeyNeeded(f: () => void): void {
  askKey = f;
}
export function setKey(k: string): void {
  key = k;
  sessionStorage.setItem("hew.key", k);
}
function headers(type?: string): Record<string, string> {
  return { ...(type ? { "Content-Type": type } : {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function refused(response: Response): Promise<ApiError> {
  let message = `${response.status} ${response.statusText}`;
  let param: string | null = null;
  if (response.status === 401) askKey();
  try {
    const body = await response.json();
    if (typeof body?.error?.message === "string") message = body.error.message;
    if (typeof body?.error?.param === "string") param = body.error.param;
  } catch {
    // not JSON: the status line says it
  }
  return new ApiError(response.status, message, param);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, { headers: headers(), signal });
  if (!response.ok) throw await refused(response);
  return (await response.json()) as T;
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const raw = body instanceof Blob;
  const response = await fetch(path, {
    method: "POST",
    headers: headers(raw ? "application/octet-stream" : "application/json"),
    body: raw ? body : JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw await refused(response);
  return (await response.json()) as T;
}

async function readEvents(response: Response, take: (data: string) => void): Promise<void> {
  if (!response.ok) throw await refused(response);
  if (!response.body) throw new ApiError(response.status, "no stream", null);
  const parser = new EventParser(take);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.push(value);
  }
}

export async function stream(path: string, body: unknown, signal: AbortSignal, take: (data: string) => void): Promise<void> {
  const response = await fetch(path, {
    method: "POST",
    headers: headers("application/json"),
    body: JSON.stringify(body),
    signal,
  });
  await readEvents(response, take);
}

export async function follow(path: string, signal: AbortSignal, take: (data: string) => void): Promise<void> {
  await readEvents(await fetch(path, { headers: headers(), signal }), take);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
