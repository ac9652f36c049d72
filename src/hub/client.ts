/**
 * @file Asking a hub over HTTP: redirections, the token, silent connections, and what is worth another try.
 *
 * `@huggingface/hub` was looked at for this: of its 3.4 MB (and 3 MB of dependencies) one listing request would be used. It has no
 * resumption and no checksums, takes no token but those that begin with "hf_", and does not know ModelScope.
 */
import { GlmError } from "../errors.ts";
import { quoted } from "../text-cut.ts";
import { version } from "../version.ts";
import { defaultPolicy, type RetryPolicy, retried, retryAfter, TransientError } from "./retry.ts";
import { type RawReply, type Send, sender } from "./send.ts";
import type { HubSettings } from "./settings.ts";

export interface Question {
  readonly method?: "GET" | "HEAD";
  /** First byte that is wanted. */
  readonly from?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What the last server on the way answered. */
export interface Reply {
  readonly status: number;
  /** Whether the hub itself answered, not a host that it sent us to. */
  readonly own: boolean;
  header(name: string): string | null;
  /** The content as it comes; leaving it early ends the connection. */
  body(): AsyncGenerator<Uint8Array, void, void>;
  /** Ends the connection: the content is not wanted. */
  drop(): void;
}

const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTIONS = 10;

export class Client {
  readonly settings: HubSettings;
  readonly policy: RetryPolicy;
  readonly #origin: string;
  #send: Promise<Send> | undefined;

  constructor(settings: HubSettings, policy: RetryPolicy = defaultPolicy) {
    this.settings = settings;
    this.policy = policy;
    this.#origin = originOf(settings);
  }

  /**
   * Asks once, and follows where the answer leads. A HEAD stays with the hub: what it says of a file comes with its own answer.
   * @throws TransientError when the network fails, GlmError when trying again cannot help
   */
  async ask(url: string, { method = "GET", from = 0, signal }: Question = {}): Promise<Reply> {
    signal?.throwIfAborted();
    const watch = new Watch(this.policy.silenceMs, signal);
    let at = new URL(url);
    try {
      this.#send ??= sender(this.settings.proxy);
      const send = await this.#send;
      for (let hops = 0; hops <= MOST_REDIRECTIONS; hops++) {
        const raw = await watch.wait(send(at.href, { method, headers: this.#headers(at, from), signal: watch.signal }));
        watch.heard();
        const location = REDIRECTIONS.has(raw.status) ? raw.headers.get("location") : null;
        const next = location === null ? undefined : new URL(location, at);
        if (!next || (method === "HEAD" && next.origin !== at.origin)) return this.#reply(raw, at, watch, signal);
        await raw.body?.cancel();
        if (at.protocol === "https:" && next.protocol !== "https:") throw insecure(at, next);
        at = next;
      }
      throw new TransientError(`${url} leads from one address to another without end`);
    } catch (error) {
      watch.end();
      throw explained(error, at, watch, signal);
    }
  }

  /**
   * Asks for JSON, as often as it takes.
   * @param refusal says which answers are final
   * @throws TransientError when too many tries failed, GlmError
   */
  async json(
    url: string,
    refusal: (reply: Reply) => GlmError | undefined,
    signal?: AbortSignal,
    policy: RetryPolicy = this.policy,
  ): Promise<unknown> {
    const text = await retried(policy, signal, async () => {
      const reply = await this.ask(url, { signal });
      const refused = refusal(reply) ?? fault(reply, url);
      if (refused) {
        reply.drop();
        throw refused;
      }
      const parts: Uint8Array[] = [];
      for await (const part of reply.body()) parts.push(part);
      return Buffer.concat(parts).toString("utf8");
    });
    try {
      return JSON.parse(text);
    } catch {
      const start = quoted(text, 80);
      throw new GlmError(
        "hub-unreachable",
        `${url}: expected a hub's answer in JSON, got text that begins ${start}. Is the address a hub's, and does the network want a login first?`,
      );
    }
  }

  /** The token is for the hub: whoever it sends us to gets none. */
  #headers(at: URL, from: number): Record<string, string> {
    const { token, hub } = this.settings;
    const own = token !== undefined && at.origin === this.#origin;
    return {
      "user-agent": `glmlab/${version}`,
      // Compressed on the way, sizes and ranges would mean something else.
      "accept-encoding": "identity",
      ...(from > 0 ? { range: `bytes=${from}-` } : {}),
      ...(own ? { authorization: `Bearer ${token}` } : {}),
      ...(own && hub === "modelscope" ? { cookie: `m_session_id=${token}` } : {}),
    };
  }

  #reply(raw: RawReply, at: URL, watch: Watch, signal: AbortSignal | undefined): Reply {
    return {
      status: raw.status,
      own: at.origin === this.#origin,
      header: (name) => raw.headers.get(name),
      drop: () => watch.end(),
      async *body() {
        try {
          const parts = raw.body?.[Symbol.asyncIterator]();
          while (parts) {
            const { done, value } = await watch.wait(parts.next());
            if (done) return;
            watch.heard();
            yield value;
          }
        } catch (error) {
          throw explained(error, at, watch, signal);
        } finally {
          watch.end();
        }
      },
    };
  }
}

/** What is wrong with an answer that no hub explains; undefined when it is a good one. */
export function fault(reply: Reply, url: string): TransientError | GlmError | undefined {
  const { status } = reply;
  if (status >= 200 && status < 300) return undefined;
  const waitMs = retryAfter(reply.header("retry-after"));
  if (status === 429) return new TransientError(`${url} answered that it was asked too often (429)`, { waitMs });
  // An address that a hub sends us to is good for a while only; the hub makes a new one.
  if (status >= 500 || status === 408 || status === 425 || !reply.own) {
    return new TransientError(`${url} answered with status ${status}`, { waitMs });
  }
  return new GlmError(
    "hub-unreachable",
    `${url}: expected a hub's answer, got HTTP status ${status}. Is the address a hub's?`,
  );
}

/** Ends a request over which nothing comes, or that nobody wants any more. */
class Watch {
  silent = false;
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #stop = (): void => this.#abort.abort(this.#outer?.reason);

  constructor(silenceMs: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    outer?.addEventListener("abort", this.#stop, { once: true });
    this.#timer = setTimeout(() => {
      this.silent = true;
      this.#abort.abort();
    }, silenceMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  heard(): void {
    this.#timer.refresh();
  }

  /** What is waited for, or the end: fetch sometimes forgets a read that begins just when its request is aborted. */
  wait<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(signal.reason);
      if (signal.aborted) ended();
      signal.addEventListener("abort", ended, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", ended));
    });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#stop);
    this.#abort.abort();
  }
}

/** The error as its catcher needs it: the caller's own wish, a hiccup, or something to be put right. */
function explained(error: unknown, at: URL, watch: Watch, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof GlmError || error instanceof TransientError) return error;
  if (watch.silent) return new TransientError(`${at.host} sent nothing for a while`);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const why = cause instanceof Error ? cause.message || code : String(cause);
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)) {
    return new GlmError(
      "hub-unreachable",
      `${at.host}: its certificate is not trusted here (${why}). If your network puts its own in, name its file in NODE_EXTRA_CA_CERTS.`,
      { cause },
    );
  }
  return new TransientError(`${at.host}: ${why}`, { cause });
}

function insecure(at: URL, next: URL): GlmError {
  return new GlmError(
    "hub-unreachable",
    `${at.host} leads to ${next.origin}, which is not encrypted, and is not followed there. Is the address a hub's?`,
  );
}

function originOf({ endpoint, hub }: HubSettings): string {
  try {
    return new URL(endpoint).origin;
  } catch {
    const variable = hub === "huggingface" ? "HF_ENDPOINT" : "MODELSCOPE_ENDPOINT";
    throw new GlmError(
      "option-invalid",
      `${variable}: expected an address such as https://host, got ${JSON.stringify(endpoint)}. Correct it, or unset it.`,
    );
  }
}
