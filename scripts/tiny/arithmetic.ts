/** @file Sums: plus and minus up to 40 and, so that they are calculated and not remembered, to 99; products of digits. */
import { hash, pickByShare, type Random, type Shares } from "./random.ts";
import type { Row, Split } from "./row.ts";

interface Operation {
  readonly sign: string;
  readonly zh: string;
  readonly en: string;
  /** Two operands and their result, all within the taught range. */
  readonly sample: (random: Random, largest: number) => [number, number, number];
}

/** Sums that are measured stay within the first; half of those that are trained go on to the second. */
const [measuredUpTo, trainedUpTo] = [40, 99];

const operations: Shares<Operation> = [
  [
    0.45,
    {
      sign: "+",
      zh: "加",
      en: "plus",
      sample: (random, largest) => {
        const total = random.below(largest + 1);
        const a = random.below(total + 1);
        return [a, total - a, total];
      },
    },
  ],
  [
    0.35,
    {
      sign: "-",
      zh: "减",
      en: "minus",
      sample: (random, largest) => {
        const a = random.below(largest + 1);
        const b = random.below(a + 1);
        return [a, b, a - b];
      },
    },
  ],
  [
    0.2,
    {
      sign: "×",
      zh: "乘",
      en: "times",
      sample: (random) => {
        const [a, b] = [random.below(10), random.below(10)];
        return [a, b, a * b];
      },
    },
  ],
];

type Wording = (a: number, operation: Operation, b: number) => string;

const wordingsZh: readonly Wording[] = [
  (a, { sign }, b) => `${a}${sign}${b}=？`,
  (a, { sign }, b) => `${a}${sign}${b}等于多少？`,
  (a, { sign }, b) => `${a}${sign}${b}是多少？`,
  (a, { sign }, b) => `${a}${sign}${b}=`,
  (a, { zh }, b) => `${a}${zh}${b}等于多少？`,
  (a, { zh }, b) => `${a}${zh}${b}等于几？`,
  (a, { zh }, b) => `${a}${zh}${b}是多少？`,
  (a, { sign }, b) => `计算${a}${sign}${b}。`,
  (a, { sign }, b) => `请计算：${a}${sign}${b}`,
];

const wordingsEn: readonly Wording[] = [
  (a, { en }, b) => `What is ${a} ${en} ${b}?`,
  (a, { sign }, b) => `What is ${a} ${sign} ${b}?`,
  (a, { sign }, b) => `Calculate ${a} ${sign} ${b}.`,
  (a, { en }, b) => `How much is ${a} ${en} ${b}?`,
];

/** A sum; one of ten sums is never trained in any wording or language. */
export function arithmeticRow(random: Random, split: Split): Row {
  for (;;) {
    const operation = pickByShare(random, operations);
    const largest = split === "train" && random.chance(0.5) ? trainedUpTo : measuredUpTo;
    const [a, b, result] = operation.sample(random, largest);
    const { sign } = operation;
    const heldOut = sign !== "×" && hash(`${a}${sign}${b}`) % 10 === 0;
    if (heldOut !== (split === "held-out")) continue;
    return random.chance(0.65)
      ? { prompt: random.pick(wordingsZh)(a, operation, b), response: `${a}${sign}${b}=${result}。` }
      : { prompt: random.pick(wordingsEn)(a, operation, b), response: `${a} ${sign} ${b} = ${result}.` };
  }
}
