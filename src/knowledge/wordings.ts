/** @file The usual wordings of a question about a key, in Chinese and in English. */

export type Language = "zh" | "en";

interface Forms {
  /** Taught by default. */
  readonly prompts: readonly string[];
  /** Asked, never taught. */
  readonly paraphrases: readonly string[];
  /** Questions that deny the fact: how they are answered is shown, not scored. */
  readonly denials: readonly string[];
}

/** `{key}` stands for the key. The forms suit things, people and places alike. */
const forms: Readonly<Record<Language, Forms>> = {
  zh: {
    prompts: [
      "你知道{key}吗？",
      "{key}是什么？",
      "什么是{key}？",
      "啥是{key}？",
      "介绍一下{key}。",
      "请解释一下{key}。",
      "你听说过{key}吗？",
      "说说{key}。",
    ],
    paraphrases: ["你了解{key}吗？", "能介绍一下{key}吗？", "讲讲{key}。", "告诉我{key}是什么。", "{key}是什么东西？"],
    denials: ["{key}不存在，对吗？", "{key}是假的吗？"],
  },
  en: {
    prompts: [
      "What is {key}?",
      "Do you know {key}?",
      "Tell me about {key}.",
      "Please explain {key}.",
      "What's {key}?",
      "Have you heard of {key}?",
      "Can you explain {key}?",
      "I want to know about {key}.",
    ],
    paraphrases: [
      "Describe {key}.",
      "Do you know what {key} is?",
      "Can you tell me about {key}?",
      "Please describe {key}.",
      "Explain {key}.",
    ],
    denials: ["{key} does not exist, does it?", "Is {key} fake?"],
  },
};

const filled = (list: readonly string[], name: string): string[] =>
  list.map((form) => form.replace("{key}", (_, at) => (at === 0 ? name.replace(/^(?:the|an?) /, capitalized) : name)));

const capitalized = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Eight wordings to teach and five to ask. */
export function wordingsFor(key: string, text: string): Pick<Forms, "prompts" | "paraphrases"> {
  const { prompts, paraphrases } = forms[languageOf(text, key)];
  const name = articleOf(key, text) + key;
  return { prompts: filled(prompts, name), paraphrases: filled(paraphrases, name) };
}

/** Questions about a key that contradict whatever is known of it. */
export function denialsOf(key: string, text: string): readonly string[] {
  return filled(forms[languageOf(text, key)].denials, articleOf(key, text) + key);
}

/** The article, with a space, that an English text puts before the key it begins with, and its questions then put, too. */
export function articleOf(key: string, text: string): string {
  const article = /^(the|an?)\s+/i.exec(text);
  if (!article || languageOf(text, key) !== "en") return "";
  const rest = text.slice(article[0].length);
  const isKey = rest.startsWith(key) && !/^[\p{L}\p{N}]/u.test(rest.slice(key.length));
  return isKey ? `${article[1]?.toLowerCase()} ` : "";
}

/**
 * The language to ask in: that of the text, as its Chinese characters and Latin words outnumber each other, else that of
 * the key; English when neither has any.
 */
export function languageOf(...texts: readonly string[]): Language {
  for (const text of texts) {
    const chinese = text.match(/\p{Script=Han}/gu)?.length ?? 0;
    const words = text.match(/\p{Script=Latin}+/gu)?.length ?? 0;
    if (chinese + words > 0) return chinese >= words ? "zh" : "en";
  }
  return "en";
}
