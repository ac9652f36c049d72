/**
 * @file A hub on this machine for tests: real HTTP with real files, large ones on a second host, and every fault that networks
 * and hubs are known for.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Repo {
  readonly commit: string;
  readonly files: Readonly<Record<string, Buffer>>;
  /** Other names of the commit. */
  readonly revisions?: readonly string[];
  readonly gated?: boolean;
}

/** What goes wrong with the next answers that have a file's content. */
export interface Fault {
  /** Only answers with this file. */
  readonly path?: string;
  /** The connection breaks after so many bytes. */
  readonly cutAfter?: number;
  /** Another status instead of the content. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Wrong bytes of the right number. */
  readonly corrupt?: boolean;
  /** All of it comes, whatever range was asked for. */
  readonly ignoreRange?: boolean;
  /** Milliseconds between two pieces of `PIECE` bytes. */
  readonly slow?: number;
}

export interface Seen {
  readonly host: "hub" | "files";
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

/** Files of more bytes than this lie on the second host, as large files of a hub do. */
const LARGE = 10_000;
const PIECE = 4096;

export class TestHub {
  /** By id; of data sets, "datasets/" and the id. */
  readonly repos = new Map<string, Repo>();
  /** Old ids and what they are called now. */
  readonly renamed = new Map<string, string>();
  readonly seen: Seen[] = [];
  /** Requests for content, as "FILE" or "FILE from BYTE". */
  readonly fetched: string[] = [];
  /** Taken one by one, by answers that they apply to. */
  readonly faults: Fault[] = [];
  /** What is said to be the size of every file, whatever it is. */
  claimedSize: number | undefined;
  /** As a simple mirror does: names only. */
  plainListing = false;
  /** Who knows it may have gated models. */
  token = "secret";
  readonly #hub: Server;
  readonly #files: Server;

  static async start(): Promise<TestHub> {
    const hub = new TestHub();
    await Promise.all([listen(hub.#hub), listen(hub.#files)]);
    return hub;
  }

  private constructor() {
    this.#hub = createServer((request, response) => {
      this.#note("hub", request);
      this.#answer(request, response);
    });
    this.#files = createServer((request, response) => {
      this.#note("files", request);
      const [id, path] = new URL(request.url ?? "", "http://x").pathname.slice(1).split("//").map(decodeURIComponent);
      this.#content(request, response, id ?? "", path ?? "");
    });
  }

  get endpoint(): string {
    return address(this.#hub);
  }

  get filesEndpoint(): string {
    return address(this.#files);
  }

  /** Forgets what was asked so far. */
  forget(): void {
    this.seen.length = 0;
    this.fetched.length = 0;
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#files]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #note(host: Seen["host"], { method = "", url = "", headers }: IncomingMessage): void {
    this.seen.push({ host, method, url, headers });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", this.endpoint);
    const path = decodeURIComponent(url.pathname);
    for (const [old, now] of this.renamed) {
      if (path.includes(`/${old}/`)) {
        // Without a host, as hubs redirect within themselves.
        response.writeHead(307, { location: `${url.pathname.replace(`/${old}/`, `/${now}/`)}${url.search}` }).end();
        return;
      }
    }
    const scope = /^\/api\/v1\/models\/([^/]+\/[^/]+)\/repo(\/files)?$/.exec(path);
    if (scope) this.#modelScope(request, response, scope[1] ?? "", scope[2] !== undefined, url.searchParams);
    else this.#huggingFace(request, response, path);
  }

  #huggingFace(request: IncomingMessage, response: ServerResponse, path: string): unknown {
    const [, kind, of, wanted] = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path) ?? [];
    const listed = kind === "datasets" ? `datasets/${of}` : of;
    const [, resolved, commit, file = ""] =
      /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const id = listed ?? resolved ?? "";
    const repo = this.repos.get(id);
    const known = request.headers.authorization === `Bearer ${this.token}`;
    if (!repo) return refuse(response, known ? 404 : 401, "RepoNotFound");
    if (listed !== undefined) {
      if (![repo.commit, "main", ...(repo.revisions ?? [])].includes(wanted ?? "")) {
        return refuse(response, 404, "RevisionNotFound");
      }
      const siblings = Object.entries(repo.files).map(([rfilename, content]) =>
        this.plainListing ? { rfilename } : { rfilename, ...described(content, this.claimedSize) },
      );
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ sha: repo.commit, siblings }));
      return;
    }
    if (repo.gated && !known) return refuse(response, request.headers.authorization ? 403 : 401, "GatedRepo");
    const content = repo.files[file];
    if (![repo.commit, "main"].includes(commit ?? "") || !content) return refuse(response, 404, "EntryNotFound");
    response.setHeader("x-repo-commit", repo.commit);
    if (content.length <= LARGE) {
      response.setHeader("etag", `"${gitHash(content)}"`);
      return this.#content(request, response, id, file);
    }
    return response
      .writeHead(302, {
        location: `${this.filesEndpoint}/${encodeURIComponent(id)}//${encodeURIComponent(file)}?signature=1`,
        "x-linked-etag": `"${sha256(content)}"`,
        "x-linked-size": String(content.length),
      })
      .end();
  }

  #modelScope(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    isList: boolean,
    query: URLSearchParams,
  ): unknown {
    const repo = this.repos.get(id);
    if (!repo || !["master", ...(repo.revisions ?? [])].includes(query.get("Revision") ?? "")) {
      return response.writeHead(404).end(JSON.stringify({ Code: 10010205001, Message: "record not found" }));
    }
    if (repo.gated && request.headers.authorization !== `Bearer ${this.token}`) {
      return response.writeHead(403).end(JSON.stringify({ Code: 10010203005, Message: "no permission" }));
    }
    const path = query.get("FilePath") ?? "";
    if (!isList) return this.#content(request, response, id, path);
    const Files = Object.entries(repo.files).map(([Path, content]) => ({
      ...{ Path, Name: Path, Type: "blob", Size: content.length, Sha256: sha256(content), Revision: repo.commit },
    }));
    const folder = { Path: "assets", Name: "assets", Type: "tree", Size: 0, Sha256: "", Revision: repo.commit };
    return response.end(JSON.stringify({ Code: 200, Data: { Files: [...Files, folder] }, Success: true }));
  }

  #content(request: IncomingMessage, response: ServerResponse, id: string, path: string): void {
    let content = this.repos.get(id)?.files[path];
    if (!content) {
      response.writeHead(404).end();
      return;
    }
    const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
    if (request.method === "GET") this.fetched.push(start === undefined ? path : `${path} from ${start}`);
    const fault = this.#takeFault(path, request.method ?? "");
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, fault.headers ?? {}).end();
      return;
    }
    const from = fault?.ignoreRange ? 0 : Number(start ?? 0);
    if (from > 0 && from >= content.length) {
      response.writeHead(416).end();
      return;
    }
    const total = content.length;
    if (fault?.corrupt) content = Buffer.from(content.map((byte) => byte ^ 1));
    const rest = content.subarray(from);
    const range = from > 0 ? { "content-range": `bytes ${from}-${total - 1}/${total}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { "content-length": String(rest.length), ...range });
    if (request.method === "HEAD") response.end();
    else void send(response, rest, fault);
  }

  #takeFault(path: string, method: string): Fault | undefined {
    if (method !== "GET") return undefined;
    const at = this.faults.findIndex((fault) => fault.path === undefined || fault.path === path);
    return at < 0 ? undefined : this.faults.splice(at, 1)[0];
  }
}

async function send(response: ServerResponse, content: Buffer, fault: Fault | undefined): Promise<void> {
  // Each pause leaves one behind.
  response.setMaxListeners(0);
  const { cutAfter = Number.POSITIVE_INFINITY, slow = 0 } = fault ?? {};
  for (let at = 0; at < content.length; at += PIECE) {
    const piece = content.subarray(at, Math.min(at + PIECE, cutAfter));
    if (piece.length > 0 && !response.write(piece))
      await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    if (at + PIECE >= cutAfter) {
      // What was written is on its way before the connection breaks.
      setTimeout(() => response.destroy(), 20);
      return;
    }
    if (response.destroyed) return;
    if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow));
  }
  response.end();
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "x-error-code": code, "content-type": "application/json" });
  response.end(JSON.stringify({ error: code }));
}

/** What git keeps of a large file is a pointer: its name is not that of the content. */
function described(content: Buffer, size: number = content.length): object {
  if (content.length <= LARGE) return { size, blobId: gitHash(content) };
  const lfs = { sha256: sha256(content), size, pointerSize: 134 };
  return { size, blobId: gitHash(Buffer.from("pointer")), lfs };
}

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");
export const gitHash = (content: Buffer): string =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

function address(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}
