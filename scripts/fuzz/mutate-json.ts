/** @file JSON whose values, keys and order were changed, as text: it may have the same key twice, or be very deep. */
import type { RandomStream } from "../../src/random.ts";
import { once, pick } from "./choice.ts";

type Container = Record<string, unknown> | unknown[];

/** Stands for what JSON.stringify cannot write; `text` puts it in. */
const deep = "@deep@";
const oddValues: readonly unknown[] = [
  null,
  true,
  false,
  -1,
  -0,
  0,
  1,
  0.5,
  1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 - 1,
  "",
  "x",
  "\u0000",
  "F32",
  "I8",
  "__proto__",
  "../../etc/passwd",
  "/dev/zero",
  "model.safetensors",
  "pytorch_model.bin",
  [],
  {},
  [[]],
  [0, 0],
  [1e20, 1e20],
  [2 ** 53 - 1, 2 ** 53 - 1],
  Array(40).fill(2 ** 30),
  { dtype: "F32", shape: [1], data_offsets: [0, 4] },
  deep,
];
const oddKeys = [
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "__metadata__",
  "weight_map",
  "",
  "\u0000",
  "x".repeat(300),
];

/** Changes one to three places. */
export function mutatedJson(text: string, random: RandomStream): string {
  const json = JSON.parse(text) as Container;
  for (let i = random.integer(3); i >= 0; i -= 1) change(json, random);
  return written(json, random);
}

function change(json: Container, random: RandomStream): void {
  const containers = containersIn(json);
  const container = pick(random, containers);
  const keys = Object.keys(container);
  if (keys.length === 0) return;
  const key = pick(random, keys);
  const fields = container as Record<string, unknown>;
  switch (random.integer(6)) {
    case 0:
      define(container, key, oddValue(random));
      break;
    case 1:
      define(container, key, shifted(fields[key], random));
      break;
    case 2:
      if (Array.isArray(container)) container.splice(Number(key), 1);
      else delete fields[key];
      break;
    case 3: {
      const other = pick(random, containers);
      const otherKeys = Object.keys(other);
      if (otherKeys.length === 0) break;
      const otherKey = pick(random, otherKeys);
      const value = (other as Record<string, unknown>)[otherKey];
      // A value must not end up inside itself.
      if (once(random, 2) || typeof value === "object" || typeof fields[key] === "object")
        define(container, key, structuredClone(value));
      else {
        define(other, otherKey, fields[key]);
        define(container, key, value);
      }
      break;
    }
    case 4:
      define(container, pick(random, [...oddKeys, ...keys]), structuredClone(fields[key]));
      break;
    default:
      define(container, pick(random, oddKeys), oddValue(random));
  }
}

/** A copy: later changes may reach into it. */
const oddValue = (random: RandomStream): unknown => structuredClone(pick(random, oddValues));

/** An own property, also when the key is __proto__. Lists take no names: JSON has none for them. */
function define(container: Container, key: string, value: unknown): void {
  if (Array.isArray(container) && !/^\d+$/.test(key)) return;
  Object.defineProperty(container, key, { value, configurable: true, enumerable: true, writable: true });
}

function shifted(value: unknown, random: RandomStream): unknown {
  const delta = pick(random, [1, -1, 2, 4, -4, 8, 64, -64, 1000]);
  if (typeof value === "number") return once(random, 3) ? -value : value + delta;
  if (typeof value === "string") return once(random, 2) ? value.slice(0, -1) : `${value}x`;
  if (Array.isArray(value)) return value.map((item) => (typeof item === "number" ? item + delta : item));
  return [value];
}

function containersIn(value: unknown): Container[] {
  if (typeof value !== "object" || value === null) return [];
  return [value as Container, ...Object.values(value).flatMap(containersIn)];
}

function written(json: Container, random: RandomStream): string {
  const levels = pick(random, [10, 1000, 100_000]);
  let text = JSON.stringify(json, undefined, once(random, 4) ? 2 : undefined);
  text = text.replaceAll(JSON.stringify(deep), () => "[".repeat(levels) + "]".repeat(levels));
  if (!Array.isArray(json) && once(random, 12)) {
    // The first key once more, with what another one has.
    const [key] = Object.keys(json);
    text = `{${JSON.stringify(key ?? "x")}:${JSON.stringify(pick(random, Object.values(json).concat(0))) ?? 0},${text.slice(1)}`;
  }
  return text;
}
