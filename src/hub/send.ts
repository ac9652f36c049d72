/**
 * @file One HTTP request, directly or through a proxy.
 *
 * Node's own fetch knows no proxy before Node 24, so behind one undici does the work, which is what fetch is made of.
 */
import type { ProxySettings } from "./settings.ts";

export interface RequestToSend {
  readonly method: "GET" | "HEAD";
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
}

/** What fetch and undici have in common. */
export interface RawReply {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: (AsyncIterable<Uint8Array> & { cancel(): Promise<void> }) | null;
}

/** Sends a request and returns what came back, redirections too. */
export type Send = (url: string, request: RequestToSend) => Promise<RawReply>;

export async function sender(proxy: ProxySettings | undefined): Promise<Send> {
  if (!proxy) return (url, request) => fetch(url, { ...request, redirect: "manual" });
  const undici = await import("undici");
  // Said in full: what is left out, undici takes from this process's environment.
  const { http = "", https = "", except = "" } = proxy;
  const dispatcher = new undici.EnvHttpProxyAgent({ httpProxy: http, httpsProxy: https, noProxy: except });
  return (url, request) => undici.fetch(url, { ...request, redirect: "manual", dispatcher });
}
