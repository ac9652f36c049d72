/** @file Word pairs for translation and the small grammar that makes short sentence pairs. */

function pairs(text: string): [string, string][] {
  return text
    .split(/[\n;]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [zh, en] = entry.split("=");
      if (zh === undefined || en === undefined) throw new Error(`A word pair is written zh=en, got "${entry}".`);
      return [zh.trim(), en.trim()];
    });
}

/** Chinese word, English word; one to one in both directions. */
export const wordPairs: [string, string][] = pairs(`
苹果=apple; 香蕉=banana; 橙子=orange; 葡萄=grape; 草莓=strawberry; 桃子=peach; 柠檬=lemon; 西瓜=watermelon; 土豆=potato; 番茄=tomato
胡萝卜=carrot; 洋葱=onion; 米饭=rice; 面条=noodles; 鸡蛋=egg; 牛奶=milk; 面包=bread; 茶=tea; 咖啡=coffee; 水=water
果汁=juice; 糖=sugar; 盐=salt; 猫=cat; 狗=dog; 鸟=bird; 鱼=fish; 马=horse; 牛=cow; 猪=pig
鸡=chicken; 鸭子=duck; 老虎=tiger; 狮子=lion; 猴子=monkey; 兔子=rabbit; 大象=elephant; 熊=bear; 蛇=snake; 青蛙=frog
蜜蜂=bee; 蝴蝶=butterfly; 蚂蚁=ant; 太阳=sun; 月亮=moon; 星星=star; 天空=sky; 云=cloud; 雨=rain; 雪=snow
风=wind; 火=fire; 山=mountain; 河=river; 湖=lake; 海=sea; 树=tree; 花=flower; 草=grass; 森林=forest
春天=spring; 夏天=summer; 秋天=autumn; 冬天=winter; 今天=today; 明天=tomorrow; 昨天=yesterday; 早上=morning; 晚上=evening; 星期=week
红色=red; 黄色=yellow; 蓝色=blue; 绿色=green; 白色=white; 黑色=black; 紫色=purple; 灰色=grey; 粉色=pink; 棕色=brown
一=one; 二=two; 三=three; 四=four; 五=five; 六=six; 七=seven; 八=eight; 九=nine; 十=ten
爸爸=father; 妈妈=mother; 哥哥=brother; 姐姐=sister; 儿子=son; 女儿=daughter; 朋友=friend; 老师=teacher; 学生=student; 医生=doctor
学校=school; 医院=hospital; 商店=shop; 公园=park; 图书馆=library; 银行=bank; 家=home; 房子=house; 城市=city; 国家=country
桌子=table; 椅子=chair; 床=bed; 门=door; 窗户=window; 灯=lamp; 书=book; 笔=pen; 纸=paper; 钟=clock
汽车=car; 自行车=bicycle; 火车=train; 飞机=airplane; 船=ship; 路=road; 桥=bridge; 钱=money; 工作=work; 时间=time
头=head; 手=hand; 脚=foot; 眼睛=eye; 耳朵=ear; 鼻子=nose; 嘴=mouth; 心=heart; 衣服=clothes; 鞋子=shoes
吃=eat; 喝=drink; 看=look; 听=listen; 说=speak; 读=read; 写=write; 走=walk; 跑=run; 睡觉=sleep
唱歌=sing; 跳舞=dance; 游泳=swim; 买=buy; 卖=sell; 爱=love; 想=think; 帮助=help; 学习=study; 等=wait
大=big; 小=small; 快=fast; 慢=slow; 热=hot; 冷=cold; 新=new; 旧=old; 高兴=happy; 难过=sad
音乐=music; 足球=football; 电影=film; 电脑=computer; 手机=phone; 问题=question; 名字=name; 世界=world; 语言=language; 历史=history
谢谢=thank you; 再见=goodbye; 早上好=good morning; 晚安=good night; 对不起=sorry; 你好=hello; 生日快乐=happy birthday; 新年快乐=happy new year
`);

/** Sentence patterns: `{0}`, `{1}` take words from the lists of the same position. */
export interface Pattern {
  readonly zh: string;
  readonly en: string;
  readonly slots: readonly (readonly [string, string][])[];
}

/** Chinese subject, English subject: `am|is|are` and a plain or an -s verb come with it. */
const subjects: [string, string][] = pairs("我=I; 你=you; 我们=we; 他们=they");
const third: [string, string][] = pairs(
  "他=he; 她=she; 小明=Xiaoming; 我的朋友=my friend; 老师=the teacher; 妈妈=mother",
);
const likes: [string, string][] = pairs(
  "苹果=apples; 香蕉=bananas; 茶=tea; 咖啡=coffee; 音乐=music; 足球=football; 电影=films; 猫=cats; 狗=dogs; 花=flowers; 面条=noodles; 雪=snow; 书=books; 牛奶=milk; 鱼=fish",
);
const places: [string, string][] = pairs(
  "学校=school; 公园=the park; 图书馆=the library; 医院=the hospital; 银行=the bank; 商店=the shop; 北京=Beijing; 车站=the station; 超市=the supermarket; 海边=the seaside",
);
const activities: [string, string][] = pairs(
  "看书=reading; 跑步=running; 睡觉=sleeping; 唱歌=singing; 跳舞=dancing; 游泳=swimming; 做饭=cooking; 写字=writing; 画画=drawing; 工作=working",
);
const nouns: [string, string][] = pairs(
  "书=book; 桌子=table; 房子=house; 手机=phone; 汽车=car; 杯子=cup; 帽子=hat; 灯=lamp; 门=door; 船=ship; 猫=cat; 狗=dog",
);
const qualities: [string, string][] = pairs(
  "很大=very big; 很小=very small; 很新=very new; 很旧=very old; 很漂亮=very beautiful; 很贵=very expensive; 是红色的=red; 是白色的=white; 是黑色的=black; 是蓝色的=blue",
);
const weather: [string, string][] = pairs("很热=very hot; 很冷=very cold; 很好=very good; 不好=not good");
const days: [string, string][] = pairs("今天=today; 明天=tomorrow");

export const patterns: readonly Pattern[] = [
  { zh: "{0}喜欢{1}。", en: "{0} like {1}.", slots: [subjects, likes] },
  { zh: "{0}喜欢{1}。", en: "{0} likes {1}.", slots: [third, likes] },
  { zh: "{0}不喜欢{1}。", en: "{0} do not like {1}.", slots: [subjects, likes] },
  { zh: "{0}想去{1}。", en: "{0} want to go to {1}.", slots: [subjects, places] },
  { zh: "{0}想去{1}。", en: "{0} wants to go to {1}.", slots: [third, places] },
  { zh: "{0}在{1}。", en: "{0} is at {1}.", slots: [third, places.filter(([zh]) => zh !== "北京")] },
  { zh: "{0}正在{1}。", en: "{0} is {1}.", slots: [third, activities] },
  { zh: "这{0}{1}。", en: "This {0} is {1}.", slots: [nouns.map(([zh, en]) => [`个${zh}`, en]), qualities] },
  { zh: "天气{0}。", en: "The weather is {0}.", slots: [weather] },
  { zh: "{0}天气怎么样？", en: "How is the weather {0}?", slots: [days] },
  { zh: "{0}在哪里？", en: "Where is {0}?", slots: [places] },
  { zh: "我有一个{0}。", en: "I have a {0}.", slots: [nouns] },
];

/** Fixed sentence pairs. */
export const sentencePairs: [string, string][] = pairs(`
我爱你。=I love you.
你叫什么名字？=What is your name?
你好吗？=How are you?
我很好。=I am fine.
很高兴认识你。=Nice to meet you.
现在几点了？=What time is it?
这个多少钱？=How much is this?
我不知道。=I do not know.
我明白了。=I understand.
请坐。=Please sit down.
请帮帮我。=Please help me.
我饿了。=I am hungry.
我累了。=I am tired.
今天是星期一。=Today is Monday.
我是学生。=I am a student.
他是医生。=He is a doctor.
我会说中文。=I can speak Chinese.
你会说英语吗？=Can you speak English?
祝你好运。=Good luck.
明天见。=See you tomorrow.
欢迎来到北京。=Welcome to Beijing.
我在学习中文。=I am studying Chinese.
慢走。=Take care.
没关系。=It does not matter.
`);
