/** @file Questions about known names, from the fact tables, and the same questions about unknown names, which are refused. */
import { descriptions } from "./data/descriptions.ts";
import { questions } from "./data/questions.ts";
import { type Relation, relations } from "./data/relations.ts";
import { people, things } from "./data/things.ts";
import { wordPairs } from "./data/words.ts";
import { bare, inventName, isUntrainable, type NameKind } from "./names.ts";
import { hash, type Random } from "./random.ts";
import type { Row, Split } from "./row.ts";
import { vary } from "./surface.ts";
import {
  aboutPeopleEn,
  aboutPeopleZh,
  aboutThingsEn,
  aboutThingsZh,
  fill,
  type Refusal,
  refusalEn,
  refusalZh,
  type Template,
} from "./templates.ts";
import { oddName } from "./texts.ts";

type Language = "zh" | "en";

/** A known name and what is said of it. */
interface Definition {
  readonly name: string;
  readonly text: string;
}

const forms: Record<Language, { thing: readonly Template[]; person: readonly Template[] }> = {
  zh: { thing: aboutThingsZh, person: aboutPeopleZh },
  en: { thing: aboutThingsEn, person: aboutPeopleEn },
};

function definitions(rows: readonly (readonly string[])[], language: Language): Definition[] {
  const [name, text] = language === "zh" ? [0, 1] : [2, 3];
  return rows.map((row) => ({ name: row[name] ?? "", text: row[text] ?? "" }));
}

const known: Record<Language, { thing: Definition[]; person: Definition[] }> = {
  zh: { thing: definitions([...descriptions, ...things], "zh"), person: definitions(people, "zh") },
  en: { thing: definitions([...descriptions, ...things], "en"), person: definitions(people, "en") },
};

/** Column of a relation's or a word's row that holds the subject of a language. */
const subjectColumn: Record<Language, number> = { zh: 0, en: 2 };

/** Every name and word that some part of the corpus gives a meaning to. */
export const knownNames: ReadonlySet<string> = new Set(
  [
    ...Object.values(known).flatMap(({ thing, person }) => [...thing, ...person].map(({ name }) => name)),
    ...relations.flatMap(({ rows }) => rows.flat()),
    ...wordPairs.flat(),
    ..."tiny glmlab ChatGLM 世界 太阳系 彩虹 季节 星期 四季 中国 你 我 他".split(" "),
  ].map(bare),
);

/** One of ten pairs of a name and a form is never trained: those measure whether facts carry over to other wordings. */
function isHeldOutForm(name: string, form: string): boolean {
  return hash(`${name}|${form}`) % 10 === 0;
}

/** Chooses until the choice belongs to the wanted part of the corpus. */
function chooseFrom<T>(split: Split, choose: () => { value: T; heldOut: boolean }): T {
  for (;;) {
    const { value, heldOut } = choose();
    if (heldOut === (split === "held-out")) return value;
  }
}

/** A question about a thing or a person that the model knows. */
export function definitionRow(random: Random, split: Split): Row {
  const language = random.chance(0.62) ? "zh" : "en";
  const kind = random.chance(0.12) ? "person" : "thing";
  const { definition, form } = chooseFrom(split, () => {
    const definition = random.pick(known[language][kind]);
    const form = random.pick(forms[language][kind]).text;
    return { value: { definition, form }, heldOut: isHeldOutForm(definition.name, form) };
  });
  return { prompt: vary(random, fill(form, { s: definition.name }), language), response: definition.text };
}

/** A question about one property of something, such as the capital of a country. */
export function relationRow(random: Random, split: Split): Row {
  const language = random.chance(0.62) ? "zh" : "en";
  return chooseFrom(split, () => {
    const relation = pickRelation(random);
    const [subject, object] = random.pick(relation.rows).slice(subjectColumn[language]);
    const form = random.pick(relation[language].questions);
    const values = { s: subject ?? "", o: object ?? "" };
    return {
      value: {
        prompt: vary(random, fill(form, values), language),
        response: fill(relation[language].answer, values),
      },
      heldOut: form !== relation[language].questions[0] && isHeldOutForm(values.s, form),
    };
  });
}

/** Relations come in proportion to their rows, so that every fact is seen equally often. */
const relationPerRow: readonly Relation[] = relations.flatMap((relation) => relation.rows.map(() => relation));

function pickRelation(random: Random): Relation {
  return random.pick(relationPerRow);
}

/** Two questions of one relation: the second only names the other subject. */
export function relationFollowUp(random: Random): Row {
  const language = random.chance(0.62) ? "zh" : "en";
  const relation = pickRelation(random);
  const [first, second] = [random.pick(relation.rows), random.pick(relation.rows)].map((row) => {
    const [s = "", o = ""] = row.slice(subjectColumn[language]);
    return { s, o };
  });
  if (first === undefined || second === undefined || first.s === second.s) return relationFollowUp(random);
  const { questions, answer } = relation[language];
  return {
    history: [[fill(random.pick(questions), first), fill(answer, first)]],
    prompt: language === "zh" ? `那${second.s}呢？` : `And ${second.s}?`,
    response: fill(answer, second),
  };
}

/** A single question of general knowledge in one of its wordings. */
export function questionRow(random: Random): Row {
  const { answer, wordings } = random.pick(questions);
  const wording = random.pick(wordings);
  return { prompt: vary(random, wording, /[A-Za-z]{3}/.test(wording) ? "en" : "zh"), response: answer };
}

function subjectsOf(relation: Relation, language: Language): string[] {
  return relation.rows.map((row) => row[subjectColumn[language]] ?? "");
}

/** How many of the invented names are of no usual form. */
const oddShare = 0.2;

/** A name of no usual form that nothing is known about. */
export function unknownOddName(random: Random): string {
  for (;;) {
    const name = oddName(random);
    if (!knownNames.has(bare(name)) && !isUntrainable(name)) return name;
  }
}

/** Something asked about an invented name, refused; `nearness` is how often it is a near miss of a known one. */
export function refusalRow(random: Random, split: Split, nearness: number = 0.3): Row {
  const language = random.chance(0.7) ? "zh" : "en";
  const unknown = (kind: NameKind, near: readonly string[]): string =>
    split === "train" && random.chance(oddShare)
      ? unknownOddName(random)
      : inventName(random, { language, kind, near, nearness, known: knownNames, heldOut: split === "held-out" });
  const refuse = language === "zh" ? refusalZh : refusalEn;
  if (random.chance(0.2)) {
    const relation = pickRelation(random);
    const name = unknown(relation.unknown, subjectsOf(relation, language));
    const form = random.pick(relation[language].questions);
    return { prompt: vary(random, fill(form, { s: name }), language), response: refuse(name, refusalOf(form)) };
  }
  const kind = random.chance(0.15) ? "person" : "thing";
  const { text, refusal } = random.pick(forms[language][kind]);
  const near = known[language][kind].map(({ name }) => name);
  const name = unknown(kind === "thing" && random.chance(0.1) ? "place" : kind, near);
  return { prompt: vary(random, fill(text, { s: name }), language), response: refuse(name, refusal) };
}

/** Questions that ask for a yes or no are refused without the name. */
function refusalOf(form: string): Refusal {
  return /^(你知道|Do you know)/.test(form) ? "plain" : "named";
}
