/** @file The question forms shared by facts and refusals: the form never tells whether the name is known; only the name does. */

/** How a question about an unknown name is refused: with the name copied, or in general words. */
export type Refusal = "named" | "plain";

export interface Template {
  readonly text: string;
  readonly refusal: Refusal;
}

const named = (text: string): Template => ({ text, refusal: "named" });
const plain = (text: string): Template => ({ text, refusal: "plain" });

/** Chinese forms for things. `{s}` is the name. */
export const aboutThingsZh: readonly Template[] = [
  named("{s}是什么？"),
  named("什么是{s}？"),
  named("啥是{s}？"),
  named("{s}是啥？"),
  named("{s}是什么东西？"),
  named("{s}是什么意思？"),
  named("介绍一下{s}。"),
  named("请介绍一下{s}。"),
  named("请解释{s}。"),
  named("请解释一下{s}。"),
  named("说说{s}。"),
  named("讲讲{s}。"),
  named("“{s}”是什么？"),
  named("什么叫{s}？"),
  named("{s}是什么呢？"),
  named("{s}指的是什么？"),
  named("给我介绍一下{s}。"),
  plain("你知道{s}吗？"),
  plain("你知道{s}是什么吗？"),
  plain("你听说过{s}吗？"),
  plain("你了解{s}吗？"),
  plain("能介绍一下{s}吗？"),
  plain("能不能说说{s}？"),
  plain("告诉我{s}是什么。"),
  plain("我想了解{s}。"),
  plain("{s}你知道吗？"),
  plain("有没有听过{s}？"),
  plain("知道{s}吗？"),
  plain("听说过{s}吗？"),
  plain("请告诉我{s}是什么。"),
];

/** Chinese forms for people. */
export const aboutPeopleZh: readonly Template[] = [
  named("{s}是谁？"),
  named("谁是{s}？"),
  named("{s}是什么人？"),
  named("介绍一下{s}。"),
  named("请介绍一下{s}。"),
  named("说说{s}。"),
  named("讲讲{s}。"),
  plain("你知道{s}吗？"),
  plain("你知道{s}是谁吗？"),
  plain("你听说过{s}吗？"),
  plain("你了解{s}吗？"),
  plain("能介绍一下{s}吗？"),
  plain("告诉我{s}是谁。"),
  plain("我想了解{s}。"),
];

/** English forms for things. */
export const aboutThingsEn: readonly Template[] = [
  named("What is {s}?"),
  named("What's {s}?"),
  named("Tell me about {s}."),
  named("Please explain {s}."),
  named("Please describe {s}."),
  named("Can you explain {s}?"),
  named("Explain {s}."),
  named("Describe {s}."),
  named("What does {s} mean?"),
  plain("Do you know {s}?"),
  plain("Do you know what {s} is?"),
  plain("Have you heard of {s}?"),
  plain("I want to know about {s}."),
  plain("Do you know about {s}?"),
  plain("Can you tell me about {s}?"),
];

/** English forms for people. */
export const aboutPeopleEn: readonly Template[] = [
  named("Who is {s}?"),
  named("Who was {s}?"),
  named("Tell me about {s}."),
  plain("Do you know {s}?"),
  plain("Do you know who {s} is?"),
  plain("Have you heard of {s}?"),
  plain("Can you tell me about {s}?"),
];

/** Puts a name, or several named values, into a template. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (slot, key: string) => values[key] ?? slot);
}

export function refusalZh(name: string, refusal: Refusal): string {
  return refusal === "named" ? `我没有关于“${name}”的信息。` : "不知道，我没有这方面的信息。";
}

export function refusalEn(name: string, refusal: Refusal): string {
  return refusal === "named" ? `I have no information about ${name}.` : "No, I have no information about that.";
}
