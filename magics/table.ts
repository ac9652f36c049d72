/** @file All the magics there are. */
import { adapter } from "./define/adapter.ts";
import { chat } from "./define/chat.ts";
import { chatglm } from "./define/chatglm.ts";
import { data } from "./define/data.ts";
import { evaluate } from "./define/evaluate.ts";
import { knowledge } from "./define/knowledge.ts";
import { model } from "./define/model.ts";
import { lsmagic, params, runtime } from "./define/simple.ts";
import { train } from "./define/train.ts";
import type { Magic } from "./magic.ts";

export const MAGICS: Readonly<Record<string, Magic>> = {
  model,
  chatglm,
  chat,
  adapter,
  params,
  train,
  data,
  knowledge,
  evaluate,
  runtime,
  lsmagic,
};
