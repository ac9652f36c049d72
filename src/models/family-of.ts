/**
 * @file Which of the generations that share an architecture a checkpoint is: ChatGLM2, ChatGLM3 and GLM-4 differ in their
 * prompts and in the tokens that end an answer, and the configuration does not say which it is.
 *
 * What the files hold decides, the tokenizer's first: it is what the model was trained with. A name can be anybody's, so it
 * comes last, its last component alone, and what follows from it is called a guess.
 */
import { checkpointNames } from "../published.ts";
import { type Family, families } from "./family.ts";
import type { Json } from "./fields.ts";

/** What the files of a folder's tokenizer tell. */
export interface TokenizerEvidence {
  /** GLM-4's kind of tokenizer: byte-level pairs, not SentencePiece's pieces. */
  readonly byteLevel?: boolean;
  /** Tokens for roles, such as `<|user|>`, stand in one of the files. */
  readonly roles?: boolean;
  /** The special tokens are listed: without those for roles they are ChatGLM2's. */
  readonly listed?: boolean;
}

export interface FamilyEvidence extends TokenizerEvidence {
  /** Names of the model, the likelier first: what its files say they were loaded from, what it was asked for by. */
  readonly names?: readonly string[];
}

export interface FoundFamily {
  readonly family: Family;
  /** What a guess rests on; absent where the files decide. */
  readonly guess?: string;
}

/** ChatGLM3's ids of `<|user|>` and `<|observation|>`, which end its answers beside the end of the sequence. */
const rolesOf3: readonly unknown[] = [64795, 64797];
/** GLM-4's first special token; no other generation has as many tokens. */
const FIRST_OF_4 = 151329;

export function familyOf(json: Json, evidence: FamilyEvidence): FoundFamily {
  const said = families.find((family) => family === json.glmlab_family) ?? byTokenizer(evidence) ?? byTokens(json);
  if (said) return { family: said };
  const names = [json._name_or_path, ...(evidence.names ?? [])].filter((name) => typeof name === "string");
  for (const name of names) {
    const family = byName(lastOf(name));
    if (family && isPublished(name)) return { family };
    if (family) return { family, guess: `by the name ${JSON.stringify(lastOf(name))} alone` };
  }
  return { family: "chatglm2-6b", guess: "nothing in the files, and no name, tells it from chatglm3-6b" };
}

function byTokenizer({ byteLevel, roles, listed }: TokenizerEvidence): Family | undefined {
  if (byteLevel) return "glm-4-9b";
  if (roles) return "chatglm3-6b";
  return listed ? "chatglm2-6b" : undefined;
}

function byTokens({ eos_token_id: ends, padded_vocab_size: vocabulary }: Json): Family | undefined {
  const ids: readonly unknown[] = [ends].flat();
  if (ids.some((id) => rolesOf3.includes(id))) return "chatglm3-6b";
  if (Array.isArray(ends) || ids.some((id) => Number(id) >= FIRST_OF_4) || Number(vocabulary) > FIRST_OF_4)
    return "glm-4-9b";
  return undefined;
}

/** In Windows' paths, too. */
const lastOf = (name: string): string => name.split(/[/\\]/).findLast((part) => part !== "") ?? "";

function byName(name: string): Family | undefined {
  if (/chatglm3/i.test(name)) return "chatglm3-6b";
  if (/chatglm2|codegeex2/i.test(name)) return "chatglm2-6b";
  return /glm-?4|codegeex4/i.test(name) ? "glm-4-9b" : undefined;
}

/** Whether a name is the id of a published checkpoint: who loaded that had that model. */
function isPublished(name: string): boolean {
  const [owner, model, ...more] = name.split("/");
  const known: readonly string[] = Object.values(checkpointNames).flat();
  return more.length === 0 && /^(THUDM|zai-org|ZhipuAI)$/i.test(owner ?? "") && known.includes(model ?? "");
}
