/**
 * @file How a hub is reached and where its files are kept, read from the environment variables of Python's libraries.
 *
 * Settings are plain data: they travel with the request to a runtime, whose own environment may be an older one.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { HubName } from "./names.ts";

export interface HubSettings {
  readonly hub: HubName;
  /** Base address, without a slash at the end. */
  readonly endpoint: string;
  /** Folder of the hub's cache, as Python's library lays it out. */
  readonly cache: string;
  /** Sent to the endpoint itself and to nobody else. */
  readonly token?: string;
  /** Nothing is asked of the network. */
  readonly offline: boolean;
  /** Proxies for the network, when the environment names any. */
  readonly proxy?: ProxySettings;
}

export interface ProxySettings {
  readonly http?: string;
  readonly https?: string;
  /** Hosts that are reached directly, separated by commas. */
  readonly except?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of a hub in an environment. */
export function hubSettings(hub: HubName, env: Environment = process.env): HubSettings {
  const proxy = proxies(env);
  return {
    hub,
    ...(hub === "huggingface" ? huggingFace(env) : modelScope(env)),
    offline: isSet(env.HF_HUB_OFFLINE) || isSet(env.TRANSFORMERS_OFFLINE),
    ...(proxy ? { proxy } : {}),
  };
}

type Place = Pick<HubSettings, "endpoint" | "cache" | "token">;

function huggingFace(env: Environment): Place {
  const home = path(env.HF_HOME) ?? join(path(env.XDG_CACHE_HOME) ?? join(homedir(), ".cache"), "huggingface");
  const token = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || readToken(path(env.HF_TOKEN_PATH) ?? join(home, "token"));
  return {
    endpoint: address(env.HF_ENDPOINT, "https://huggingface.co"),
    cache: path(env.HF_HUB_CACHE) ?? path(env.HUGGINGFACE_HUB_CACHE) ?? join(home, "hub"),
    ...(token ? { token: token.trim() } : {}),
  };
}

/** ModelScope keeps the token of its `login` in a Python pickle; only the variable is read. */
function modelScope(env: Environment): Place {
  return {
    endpoint: address(env.MODELSCOPE_ENDPOINT || env.MODELSCOPE_DOMAIN, "https://www.modelscope.cn"),
    cache: path(env.MODELSCOPE_CACHE) ?? join(homedir(), ".cache", "modelscope"),
    ...(env.MODELSCOPE_API_TOKEN ? { token: env.MODELSCOPE_API_TOKEN.trim() } : {}),
  };
}

/** MODELSCOPE_DOMAIN is a host without a scheme. */
function address(given: string | undefined, otherwise: string): string {
  if (!given) return otherwise;
  const full = /^https?:\/\//.test(given) ? given : `https://${given}`;
  return full.replace(/\/+$/, "");
}

function path(given: string | undefined): string | undefined {
  if (!given) return undefined;
  return resolve(given.replace(/^~(?=$|[\\/])/, homedir()));
}

function readToken(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** As Python's libraries read their switches. */
function isSet(value: string | undefined): boolean {
  return value !== undefined && ["1", "on", "yes", "true"].includes(value.toLowerCase());
}

function proxies(env: Environment): ProxySettings | undefined {
  const http = env.http_proxy || env.HTTP_PROXY || env.all_proxy || env.ALL_PROXY;
  const https = env.https_proxy || env.HTTPS_PROXY || env.all_proxy || env.ALL_PROXY;
  const except = env.no_proxy || env.NO_PROXY;
  if (!http && !https) return undefined;
  return { ...(http ? { http } : {}), ...(https ? { https } : {}), ...(except ? { except } : {}) };
}
