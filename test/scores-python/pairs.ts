/** @file Pairs of answers and references, written here: some by hand, the others made of sentences by cutting, mixing and changing them. */
import { randomStream } from "../../src/random.ts";

export type Pair = readonly [answer: string, reference: string];

const sentences = [
  "梦中情炉是云岭小镇一位老木匠发明的会做梦的炉子。",
  "这条裙子用了宽松的剪裁，穿起来很舒服，颜色也显白。",
  "我们明天早上八点在火车站见面，别忘了带身份证！",
  "“你去哪儿了？”她问。“去图书馆。”他说。",
  "发动机水温高，风扇始终是低速转动，高速档不工作。",
  "发动机_部件故障_水温高\n风扇_部件故障_低速转动\n高速档_部件故障_不工作",
  "GPT-4 和 ChatGLM3-6B 都能写 C++ 与 C# 代码……不过速度不同。",
  "价格是 3.5 元，涨了 12.5%，比去年的 2.8 元贵。",
  "def f(x): return x ** 2  # 平方\nprint(f(3) + 4)",
  "The quick brown fox doesn't jump over the lazy dog at 5:30 p.m.",
  "Water freezes at 0 degrees; 水在零度结冰。",
  "李小福是创新办主任，也是云计算方面的专家。",
  "天气预报说，今天下午有雨，气温１５度左右。",
  "什么？！真的吗？太好了……我等了三年。。。",
  "T恤、卡拉OK、B超和4S店都是常用词。",
  "南京市长江大桥下面有一条很长的江。",
  "㐀𠮷野家的牛肉饭😀很好吃👍🏽。",
  "日本語の文も少しあります。한국어도 있어요.",
  "AT&T 的网址是 www.att.com/a-b_c?d=e#f。",
  "结婚的和尚未结婚的都应该来登记……他说。",
] as const;

/** Where libraries have habits. */
const written: readonly Pair[] = [
  ["", "有"],
  ["有", ""],
  ["", ""],
  [" \n\t ", "有"],
  ["一", "一"],
  ["一二", "一二"],
  ["一二三", "二一三"],
  ["好", "不好"],
  ["啊啊啊啊啊啊", "啊啊"],
  ["啊啊", "啊啊啊啊啊啊"],
  ["甲。\n\n \n乙", "甲。乙"],
  ["他说：“走吧。”然后走了。", "他说：“走吧！”然后就走了。"],
  ["......真的......吗", "……真的……吗"],
  ["a\r\nb\u0085c\u3000d\ufeffe", "a b c d e"],
  ["\u001c甲\u001d乙", "甲 乙"],
  ["？”“。", "。”？"],
  ["A B C D E F G", "A B C D E F G"],
  ["g f e d c b a", "a b c d e f g"],
];

/** Two hundred of them, always the same. */
export function pairs(): Pair[] {
  const random = randomStream(11, "pairs");
  const pick = (): string => sentences[random.integer(sentences.length)] as string;
  const cut = (text: string): string => {
    const characters = Array.from(text);
    return characters.slice(random.integer(4), characters.length - random.integer(6)).join("");
  };
  const swapped = (text: string): string => {
    const characters = Array.from(text);
    for (let i = 0; i < 3; i += 1) {
      const [a, b] = [random.integer(characters.length), random.integer(characters.length)];
      [characters[a], characters[b]] = [characters[b] as string, characters[a] as string];
    }
    return characters.join("");
  };
  const made = Array.from({ length: 200 - written.length }, (_, i): Pair => {
    const reference = i % 3 === 0 ? pick() + pick() : pick();
    if (i % 10 === 0) return [reference, reference];
    if (i % 4 === 0) return [pick(), reference];
    return [i % 2 === 0 ? swapped(reference) : cut(reference) + cut(pick()), reference];
  });
  return [...written, ...made];
}
