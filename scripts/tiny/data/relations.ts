/** @file Facts of the form "the R of S is O" with their questions, in both languages. */
import { table } from "./table.ts";

/** `{s}` stands for the subject and `{o}` for the object. */
export interface Relation {
  readonly name: string;
  readonly zh: { readonly questions: readonly string[]; readonly answer: string };
  readonly en: { readonly questions: readonly string[]; readonly answer: string };
  /** Chinese subject, Chinese object, English subject, English object. */
  readonly rows: readonly (readonly string[])[];
  /** The kind of invented name that may stand in for an unknown subject. */
  readonly unknown: "place" | "thing" | "work" | "word";
}

export const relations: readonly Relation[] = [
  {
    name: "capital",
    unknown: "place",
    zh: {
      questions: [
        "{s}的首都是哪里？",
        "{s}的首都是哪座城市？",
        "{s}的首都叫什么？",
        "哪座城市是{s}的首都？",
        "你知道{s}的首都吗？",
      ],
      answer: "{s}的首都是{o}。",
    },
    en: {
      questions: [
        "What is the capital of {s}?",
        "Which city is the capital of {s}?",
        "Tell me the capital of {s}.",
        "Do you know the capital of {s}?",
      ],
      answer: "The capital of {s} is {o}.",
    },
    rows: table(
      4,
      `
中国 | 北京 | China | Beijing
法国 | 巴黎 | France | Paris
英国 | 伦敦 | the United Kingdom | London
德国 | 柏林 | Germany | Berlin
意大利 | 罗马 | Italy | Rome
西班牙 | 马德里 | Spain | Madrid
葡萄牙 | 里斯本 | Portugal | Lisbon
俄罗斯 | 莫斯科 | Russia | Moscow
日本 | 东京 | Japan | Tokyo
韩国 | 首尔 | South Korea | Seoul
朝鲜 | 平壤 | North Korea | Pyongyang
蒙古 | 乌兰巴托 | Mongolia | Ulaanbaatar
越南 | 河内 | Vietnam | Hanoi
泰国 | 曼谷 | Thailand | Bangkok
印度 | 新德里 | India | New Delhi
尼泊尔 | 加德满都 | Nepal | Kathmandu
伊朗 | 德黑兰 | Iran | Tehran
埃及 | 开罗 | Egypt | Cairo
肯尼亚 | 内罗毕 | Kenya | Nairobi
美国 | 华盛顿 | the United States | Washington
加拿大 | 渥太华 | Canada | Ottawa
墨西哥 | 墨西哥城 | Mexico | Mexico City
古巴 | 哈瓦那 | Cuba | Havana
巴西 | 巴西利亚 | Brazil | Brasilia
阿根廷 | 布宜诺斯艾利斯 | Argentina | Buenos Aires
秘鲁 | 利马 | Peru | Lima
智利 | 圣地亚哥 | Chile | Santiago
澳大利亚 | 堪培拉 | Australia | Canberra
新西兰 | 惠灵顿 | New Zealand | Wellington
希腊 | 雅典 | Greece | Athens
土耳其 | 安卡拉 | Turkey | Ankara
瑞典 | 斯德哥尔摩 | Sweden | Stockholm
挪威 | 奥斯陆 | Norway | Oslo
芬兰 | 赫尔辛基 | Finland | Helsinki
丹麦 | 哥本哈根 | Denmark | Copenhagen
荷兰 | 阿姆斯特丹 | the Netherlands | Amsterdam
比利时 | 布鲁塞尔 | Belgium | Brussels
瑞士 | 伯尔尼 | Switzerland | Bern
奥地利 | 维也纳 | Austria | Vienna
波兰 | 华沙 | Poland | Warsaw
匈牙利 | 布达佩斯 | Hungary | Budapest
爱尔兰 | 都柏林 | Ireland | Dublin
冰岛 | 雷克雅未克 | Iceland | Reykjavik
乌克兰 | 基辅 | Ukraine | Kyiv`,
    ),
  },
  {
    name: "continent",
    unknown: "place",
    zh: { questions: ["{s}在哪个洲？", "{s}属于哪个洲？", "{s}位于哪个大洲？"], answer: "{s}在{o}。" },
    en: {
      questions: ["Which continent is {s} in?", "What continent is {s} on?", "On which continent is {s}?"],
      answer: "It is in {o}.",
    },
    rows: table(
      4,
      `
中国 | 亚洲 | China | Asia
日本 | 亚洲 | Japan | Asia
印度 | 亚洲 | India | Asia
泰国 | 亚洲 | Thailand | Asia
法国 | 欧洲 | France | Europe
德国 | 欧洲 | Germany | Europe
意大利 | 欧洲 | Italy | Europe
希腊 | 欧洲 | Greece | Europe
埃及 | 非洲 | Egypt | Africa
肯尼亚 | 非洲 | Kenya | Africa
加拿大 | 北美洲 | Canada | North America
美国 | 北美洲 | the United States | North America
巴西 | 南美洲 | Brazil | South America
秘鲁 | 南美洲 | Peru | South America
澳大利亚 | 大洋洲 | Australia | Oceania
新西兰 | 大洋洲 | New Zealand | Oceania`,
    ),
  },
  {
    name: "colour",
    unknown: "thing",
    zh: {
      questions: ["{s}是什么颜色的？", "{s}是什么颜色？", "{s}一般是什么颜色的？", "请问{s}的颜色是什么？"],
      answer: "{s}是{o}的。",
    },
    en: {
      questions: ["What colour is {s}?", "What is the colour of {s}?", "Tell me the colour of {s}."],
      answer: "It is {o}.",
    },
    rows: table(
      4,
      `
天空 | 蓝色 | the sky | blue
草地 | 绿色 | a lawn | green
雪 | 白色 | snow | white
煤 | 黑色 | coal | black
血 | 红色 | blood | red
香蕉 | 黄色 | a banana | yellow
牛奶 | 白色 | milk | white
胡萝卜 | 橙色 | a carrot | orange
茄子 | 紫色 | an eggplant | purple
柠檬 | 黄色 | a lemon | yellow
草莓 | 红色 | a strawberry | red
大海 | 蓝色 | the sea | blue
乌鸦 | 黑色 | a crow | black
天鹅 | 白色 | a swan | white
树叶 | 绿色 | a leaf | green
消防车 | 红色 | a fire engine | red
大象 | 灰色 | an elephant | grey
向日葵 | 黄色 | a sunflower | yellow
黄瓜 | 绿色 | a cucumber | green
巧克力 | 棕色 | chocolate | brown`,
    ),
  },
  {
    name: "sound",
    unknown: "thing",
    zh: { questions: ["{s}怎么叫？", "{s}的叫声是什么？", "{s}是怎么叫的？"], answer: "{s}{o}地叫。" },
    en: { questions: ["What sound does {s} make?", "What does {s} say?"], answer: "It says {o}." },
    rows: table(
      4,
      `
猫 | 喵喵 | a cat | meow
狗 | 汪汪 | a dog | woof
牛 | 哞哞 | a cow | moo
羊 | 咩咩 | a sheep | baa
鸭子 | 嘎嘎 | a duck | quack
青蛙 | 呱呱 | a frog | ribbit
小鸟 | 叽叽喳喳 | a bird | tweet
蜜蜂 | 嗡嗡 | a bee | buzz
老鼠 | 吱吱 | a mouse | squeak
公鸡 | 喔喔 | a rooster | cock-a-doodle-doo`,
    ),
  },
  {
    name: "legs",
    unknown: "thing",
    zh: { questions: ["{s}有几条腿？", "{s}有多少条腿？", "{s}长着几条腿？"], answer: "{s}有{o}条腿。" },
    en: { questions: ["How many legs does {s} have?", "How many legs has {s} got?"], answer: "It has {o} legs." },
    rows: table(
      4,
      `
猫 | 四 | a cat | four
狗 | 四 | a dog | four
马 | 四 | a horse | four
鸡 | 两 | a chicken | two
鸭子 | 两 | a duck | two
蚂蚁 | 六 | an ant | six
蜜蜂 | 六 | a bee | six
蜘蛛 | 八 | a spider | eight
螃蟹 | 十 | a crab | ten
老虎 | 四 | a tiger | four
企鹅 | 两 | a penguin | two
蝴蝶 | 六 | a butterfly | six`,
    ),
  },
  {
    name: "opposite",
    unknown: "word",
    zh: {
      questions: ["“{s}”的反义词是什么？", "{s}的反义词是什么？", "{s}的相反是什么？", "和{s}相反的词是什么？"],
      answer: "{s}的反义词是{o}。",
    },
    en: {
      questions: [
        "What is the opposite of {s}?",
        "Tell me the opposite of {s}.",
        "Which word means the opposite of {s}?",
      ],
      answer: "The opposite of {s} is {o}.",
    },
    rows: table(
      4,
      `
大 | 小 | big | small
小 | 大 | small | big
高 | 矮 | tall | short
长 | 短 | long | short
快 | 慢 | fast | slow
慢 | 快 | slow | fast
热 | 冷 | hot | cold
冷 | 热 | cold | hot
好 | 坏 | good | bad
多 | 少 | many | few
新 | 旧 | new | old
轻 | 重 | light | heavy
上 | 下 | up | down
左 | 右 | left | right
黑 | 白 | black | white
早 | 晚 | early | late
远 | 近 | far | near
胖 | 瘦 | fat | thin
开 | 关 | open | close
真 | 假 | true | false
强 | 弱 | strong | weak
干 | 湿 | dry | wet
美丽 | 丑陋 | beautiful | ugly
高兴 | 难过 | happy | sad
安全 | 危险 | safe | dangerous
简单 | 复杂 | simple | complex
成功 | 失败 | success | failure
白天 | 黑夜 | day | night
前面 | 后面 | front | back
开始 | 结束 | start | end`,
    ),
  },
  {
    name: "author",
    unknown: "work",
    zh: {
      questions: ["《{s}》是谁写的？", "《{s}》的作者是谁？", "谁写了《{s}》？", "你知道《{s}》的作者吗？"],
      answer: "《{s}》的作者是{o}。",
    },
    en: {
      questions: ["Who wrote {s}?", "Who is the author of {s}?", "Tell me the author of {s}."],
      answer: "The author of {s} is {o}.",
    },
    rows: table(
      4,
      `
红楼梦 | 曹雪芹 | Dream of the Red Chamber | Cao Xueqin
西游记 | 吴承恩 | Journey to the West | Wu Chengen
三国演义 | 罗贯中 | Romance of the Three Kingdoms | Luo Guanzhong
水浒传 | 施耐庵 | Water Margin | Shi Naian
史记 | 司马迁 | Records of the Grand Historian | Sima Qian
狂人日记 | 鲁迅 | Diary of a Madman | Lu Xun
骆驼祥子 | 老舍 | Rickshaw Boy | Lao She
边城 | 沈从文 | Border Town | Shen Congwen
围城 | 钱钟书 | Fortress Besieged | Qian Zhongshu
静夜思 | 李白 | Quiet Night Thought | Li Bai
哈姆雷特 | 莎士比亚 | Hamlet | Shakespeare
战争与和平 | 托尔斯泰 | War and Peace | Tolstoy
老人与海 | 海明威 | The Old Man and the Sea | Hemingway
悲惨世界 | 雨果 | Les Miserables | Hugo
小王子 | 圣埃克苏佩里 | The Little Prince | Saint-Exupery
傲慢与偏见 | 简奥斯汀 | Pride and Prejudice | Jane Austen
堂吉诃德 | 塞万提斯 | Don Quixote | Cervantes
海的女儿 | 安徒生 | The Little Mermaid | Andersen
物种起源 | 达尔文 | On the Origin of Species | Darwin
浮士德 | 歌德 | Faust | Goethe`,
    ),
  },
  {
    name: "symbol",
    unknown: "thing",
    zh: {
      questions: ["{s}的化学符号是什么？", "{s}的元素符号是什么？", "元素{s}用什么符号表示？"],
      answer: "{s}的化学符号是{o}。",
    },
    en: {
      questions: ["What is the chemical symbol for {s}?", "What is the symbol of the element {s}?"],
      answer: "The chemical symbol for {s} is {o}.",
    },
    rows: table(
      4,
      `
氢 | H | hydrogen | H
氦 | He | helium | He
碳 | C | carbon | C
氮 | N | nitrogen | N
氧 | O | oxygen | O
钠 | Na | sodium | Na
铝 | Al | aluminium | Al
铁 | Fe | iron | Fe
铜 | Cu | copper | Cu
银 | Ag | silver | Ag
金 | Au | gold | Au
铅 | Pb | lead | Pb`,
    ),
  },
  {
    name: "kind",
    unknown: "thing",
    zh: { questions: ["{s}属于哪一类？", "{s}是哪一类东西？", "{s}归在哪一类？"], answer: "{s}属于{o}。" },
    en: { questions: ["What kind of thing is {s}?", "Which group does {s} belong to?"], answer: "It belongs to {o}." },
    rows: table(
      4,
      `
苹果 | 水果 | an apple | fruit
葡萄 | 水果 | a grape | fruit
西瓜 | 水果 | a watermelon | fruit
土豆 | 蔬菜 | a potato | vegetables
白菜 | 蔬菜 | a cabbage | vegetables
老虎 | 动物 | a tiger | animals
兔子 | 动物 | a rabbit | animals
鲸鱼 | 动物 | a whale | animals
玫瑰 | 植物 | a rose | plants
竹子 | 植物 | bamboo | plants
铁 | 金属 | iron | metals
铜 | 金属 | copper | metals
汽车 | 交通工具 | a car | vehicles
火车 | 交通工具 | a train | vehicles
钢琴 | 乐器 | a piano | musical instruments
吉他 | 乐器 | a guitar | musical instruments
桌子 | 家具 | a table | furniture
床 | 家具 | a bed | furniture
足球 | 运动 | football | sports
游泳 | 运动 | swimming | sports
茶 | 饮料 | tea | drinks
咖啡 | 饮料 | coffee | drinks`,
    ),
  },
];
