/** @file What differs between hubs: how files are listed, where they are fetched, and how Python's libraries keep them. */
import type { GlmError } from "../errors.ts";
import type { Client, Reply } from "./client.ts";

/** A model on a hub, or a data set, in one version. */
export interface ModelRef {
  /** A model, unless it says otherwise. */
  readonly kind?: "dataset";
  /** "owner/name". */
  readonly id: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

/** What a hub says of one file. */
export interface RemoteFile {
  /** Its name among the model's files on the hub. */
  readonly path: string;
  readonly bytes?: number;
  /** What its content must be. */
  readonly hash?: FileHash;
}

/** "git" is the SHA-1 by which git names a file's content. */
export interface FileHash {
  readonly kind: "sha256" | "git";
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

export interface Listing {
  /** What the revision names now: a commit, where the hub tells it. */
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

/** A file that is there, and whose content nobody has compared with the hub's. */
export interface Unchecked {
  readonly bytes: number;
  /**
   * Reads it through; whether it is as the hub has it is known from then on.
   * @throws GlmError "disk" when it cannot be read
   */
  check(reading: Reading): Promise<boolean>;
}

/** While a file is read through. */
export interface Reading {
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The folder that a model's files go to, with what is needed to fill it. */
export interface CacheSnapshot {
  readonly folder: string;
  /** A folder where those who fill it at the same time wait for one another. */
  readonly turns: string;
  /** Whether the file is there as the hub has it, where that is known. What lies elsewhere in the cache is put in its place. */
  state(file: RemoteFile): Promise<boolean | Unchecked>;
  /** Where the file is found when it is there. */
  path(file: RemoteFile): string;
  /** Where the file grows until it is whole. */
  partial(file: RemoteFile): string;
  /** Takes the partial file, which is whole and checked. */
  put(file: RemoteFile): Promise<void>;
  /** Told when every file is there. */
  complete(): Promise<void>;
}

export interface Hub {
  /** The version that is meant when none is named. */
  readonly mainRevision: string;
  /** The environment variable that names the cache's folder. */
  readonly cacheVariable: string;
  /** @throws GlmError when there is no such model, or not for this user */
  list(client: Client, model: ModelRef, signal?: AbortSignal): Promise<Listing>;
  /** The same file with what the listing left out, as far as the server tells its size and hash. */
  describe(
    client: Client,
    model: ModelRef,
    commit: string,
    file: RemoteFile,
    signal?: AbortSignal,
  ): Promise<RemoteFile>;
  /** Address of a file's content. */
  url(model: ModelRef, commit: string, path: string): string;
  /** Why the hub does not give what was asked for; undefined when it does, or when asking again may help. */
  refusal(reply: Reply, model: ModelRef): GlmError | undefined;
  /** Folders in which earlier downloads of this version may have left its files, likeliest first. */
  cached(model: ModelRef): Promise<readonly string[]>;
  snapshot(model: ModelRef, commit: string): Promise<CacheSnapshot>;
}
