/** @file What names, variables and headers mean. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { isHubId, isRevision } from "../../src/hub/names.ts";
import { retryAfter } from "../../src/hub/retry.ts";
import { hubSettings } from "../../src/hub/settings.ts";

describe("a hub's id", () => {
  it.each(["THUDM/chatglm3-6b", "a/b", "x_y/z.w-1", "01-ai/Yi"])("can be %s", (name) =>
    expect(isHubId(name)).toBe(true),
  );
  it.each([
    "./x",
    "../x",
    "/a/b",
    "tiny",
    "a/b/c",
    "a/",
    "/b",
    "a/b.",
    "a-/b",
    "a..b/c",
    "a/b--c",
    "~/x",
    "a\\b/c",
    "a/b c",
  ])("is never %s", (name) => expect(isHubId(name)).toBe(false));
});

describe("a revision", () => {
  it.each(["main", "v1.0", "refs/pr/1", "a".repeat(40)])("can be %s", (name) => expect(isRevision(name)).toBe(true));
  it.each(["", "../x", "a/../b", "/a", "a b", "-x", "a:b", "a//b", "a/", 3])("is never %s", (name) =>
    expect(isRevision(name)).toBe(false),
  );
});

describe("the environment", () => {
  const huggingFace = (env: Record<string, string>) => hubSettings("huggingface", env);

  it("is read as Python's huggingface_hub does", () => {
    const cache = join(homedir(), ".cache", "huggingface", "hub");
    expect(huggingFace({ HF_TOKEN_PATH: "/nowhere" })).toEqual({
      ...{ hub: "huggingface", endpoint: "https://huggingface.co", cache, offline: false },
    });
    expect(huggingFace({ XDG_CACHE_HOME: "/x" }).cache).toBe(resolve("/x/huggingface/hub"));
    expect(huggingFace({ XDG_CACHE_HOME: "/x", HF_HOME: "/h" }).cache).toBe(resolve("/h/hub"));
    expect(huggingFace({ HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/c" }).cache).toBe(resolve("/c"));
    expect(huggingFace({ HF_HUB_CACHE: "~/d", HUGGINGFACE_HUB_CACHE: "/c" }).cache).toBe(join(homedir(), "d"));
    expect(huggingFace({ HF_ENDPOINT: "https://hf-mirror.com/" }).endpoint).toBe("https://hf-mirror.com");
    for (const value of ["1", "ON", "yes", "True"]) expect(huggingFace({ HF_HUB_OFFLINE: value }).offline).toBe(true);
    for (const value of ["0", "", "off"]) expect(huggingFace({ TRANSFORMERS_OFFLINE: value }).offline).toBe(false);
  });

  it("has the token, else a file has it", () => {
    const home = mkdtempSync(join(tmpdir(), "glm-token-"));
    writeFileSync(join(home, "token"), "from-file\n");
    expect(huggingFace({ HF_HOME: home }).token).toBe("from-file");
    expect(huggingFace({ HF_HOME: home, HF_TOKEN: "own" }).token).toBe("own");
    expect(huggingFace({ HF_HOME: "/nowhere", HF_TOKEN_PATH: join(home, "token") }).token).toBe("from-file");
    rmSync(home, { recursive: true });
  });

  it("is read as ModelScope's library does", () => {
    expect(hubSettings("modelscope", {})).toEqual({
      ...{ hub: "modelscope", endpoint: "https://www.modelscope.cn", offline: false },
      cache: join(homedir(), ".cache", "modelscope"),
    });
    const env = { MODELSCOPE_DOMAIN: "www.modelscope.ai", MODELSCOPE_CACHE: "/m", MODELSCOPE_API_TOKEN: "t" };
    expect(hubSettings("modelscope", env)).toMatchObject({
      ...{ endpoint: "https://www.modelscope.ai", cache: resolve("/m"), token: "t" },
    });
  });

  it("names proxies", () => {
    expect(huggingFace({}).proxy).toBeUndefined();
    expect(huggingFace({ HTTPS_PROXY: "http://p:1", NO_PROXY: "localhost" }).proxy).toEqual({
      ...{ https: "http://p:1", except: "localhost" },
    });
    expect(huggingFace({ ALL_PROXY: "socks5://p:2", http_proxy: "http://p:1" }).proxy).toEqual({
      ...{ http: "http://p:1", https: "socks5://p:2" },
    });
  });
});

describe("Retry-After", () => {
  it("is seconds or a date", () => {
    expect(retryAfter("7")).toBe(7000);
    expect(retryAfter("Wed, 21 Oct 2015 07:28:30 GMT", Date.parse("Wed, 21 Oct 2015 07:28:00 GMT"))).toBe(30_000);
    expect(retryAfter("Wed, 21 Oct 2015 07:28:30 GMT")).toBe(0);
    expect(retryAfter("soon")).toBeUndefined();
    expect(retryAfter(null)).toBeUndefined();
  });
});
