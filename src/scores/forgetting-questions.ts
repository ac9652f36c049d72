/**
 * @file What is asked to see whether fine-tuning on one task has cost others: the three kinds that ChatGLM-Finetuning tried by hand, in Chinese and
 * English, written for this.
 */

/** Questions by kind. */
export type ForgettingQuestions = Readonly<Record<string, readonly string[]>>;

export const forgettingQuestions: ForgettingQuestions = {
  translation: [
    "翻译成英文：我们明天早上在车站见面。",
    "翻译成英文：这本书比那本书有意思。",
    "翻译成英文：他一边听音乐，一边做饭。",
    "把“月亮”翻译成英文。",
    "把“谢谢你的帮助”翻译成英文。",
    "翻译成中文：The library closes at nine on Sundays.",
    "翻译成中文：She has never seen the sea.",
    "翻译成中文：water",
    "Translate into Chinese: The train is late because of the snow.",
    "Translate into English: 请把窗户关上。",
  ],
  code: [
    "用 Python 写一个快速排序。",
    "用 Python 写一个函数，判断一个整数是不是质数。",
    "用 JavaScript 写一个函数，把字符串倒过来。",
    "写一条 SQL，从 orders 表里查出每个客户的订单数。",
    "这段 Python 代码输出什么？print(sum([1, 2, 3]))",
    "Write a Python function that returns the n-th Fibonacci number.",
    "Write a shell command that counts the lines of all .txt files in a folder.",
    "What does the expression len('abc') * 2 give in Python?",
    "Explain the difference between a list and a tuple in Python.",
    "Write a function in C that swaps two integers.",
  ],
  "question answering": [
    "中国的首都是哪座城市？",
    "一年有几个季节？",
    "水在多少度结冰？",
    "《红楼梦》的作者是谁？",
    "为什么天空是蓝色的？",
    "7+8=？",
    "感冒了应该注意什么？",
    "What is the capital of Japan?",
    "How many days are there in a week?",
    "Why do leaves change colour in autumn?",
  ],
};
