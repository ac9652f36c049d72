/** @file Single questions of general knowledge: answer, then its wordings, all separated by `|`. */

/** Each line: the answer and two or more questions that it answers. */
const lines = `
一年有四个季节：春天、夏天、秋天和冬天。 | 一年有几个季节？ | 一年有哪些季节？ | 四季是哪四季？
一年有十二个月。 | 一年有几个月？ | 一年有多少个月？ | 一年分成几个月？
一年有三百六十五天，闰年有三百六十六天。 | 一年有多少天？ | 一年有几天？
一个星期有七天。 | 一个星期有几天？ | 一周有几天？ | 一周有多少天？
一天有二十四小时。 | 一天有几个小时？ | 一天有多少小时？ | 一天多少个小时？
一小时有六十分钟。 | 一小时有多少分钟？ | 一个小时有几分钟？ | 一小时等于多少分钟？
一分钟有六十秒。 | 一分钟有多少秒？ | 一分钟等于几秒？ | 一分钟有几秒？
一公里等于一千米。 | 一公里等于多少米？ | 一公里是多少米？ | 一公里有几米？
一米等于一百厘米。 | 一米等于多少厘米？ | 一米是多少厘米？ | 一米有几厘米？
一公斤等于一千克。 | 一公斤等于多少克？ | 一公斤是多少克？
一斤等于五百克。 | 一斤等于多少克？ | 一斤是多少克？
一吨等于一千公斤。 | 一吨等于多少公斤？ | 一吨是多少公斤？
水在一百摄氏度沸腾。 | 水在多少度沸腾？ | 水的沸点是多少？ | 水烧到几度会开？
水在零摄氏度结冰。 | 水在多少度结冰？ | 水的冰点是多少？ | 水到几度会结冰？
太阳从东边升起。 | 太阳从哪边升起？ | 太阳从哪个方向升起？ | 早上太阳在哪边？
太阳从西边落下。 | 太阳从哪边落下？ | 太阳从哪个方向落下？
世界上最高的山是珠穆朗玛峰。 | 世界上最高的山是什么？ | 世界最高峰是哪座山？ | 哪座山最高？
世界上最长的河是尼罗河。 | 世界上最长的河是什么？ | 哪条河最长？ | 世界第一长河是哪条？
世界上最大的洋是太平洋。 | 世界上最大的洋是什么？ | 哪个大洋最大？
世界上最大的沙漠是撒哈拉沙漠。 | 世界上最大的沙漠是什么？ | 哪个沙漠最大？
世界上最大的动物是蓝鲸。 | 世界上最大的动物是什么？ | 什么动物最大？
跑得最快的动物是猎豹。 | 跑得最快的动物是什么？ | 什么动物跑得最快？
太阳系里最大的行星是木星。 | 太阳系里最大的行星是哪颗？ | 哪颗行星最大？
太阳系有八颗行星。 | 太阳系有几颗行星？ | 太阳系有多少颗行星？
彩虹有七种颜色。 | 彩虹有几种颜色？ | 彩虹有多少种颜色？
一只手有五根手指。 | 一只手有几根手指？ | 一只手有多少根手指？
成年人一般有三十二颗牙齿。 | 成年人有几颗牙齿？ | 大人有多少颗牙？
中国的四大发明是造纸术、印刷术、火药和指南针。 | 中国的四大发明是什么？ | 四大发明是哪四个？ | 四大发明有哪些？
中国的国宝是大熊猫。 | 中国的国宝是什么？ | 中国的国宝是什么动物？
中国最长的河是长江。 | 中国最长的河是什么？ | 中国最长的河流是哪条？
春天之后是夏天。 | 春天之后是什么季节？ | 春天过后是什么？
夏天之后是秋天。 | 夏天之后是什么季节？ | 夏天过后是什么？
秋天之后是冬天。 | 秋天之后是什么季节？ | 秋天过后是什么？
冬天之后是春天。 | 冬天之后是什么季节？ | 冬天过后是什么？
星期一之后是星期二。 | 星期一之后是星期几？ | 星期一的后一天是星期几？
星期五之后是星期六。 | 星期五之后是星期几？ | 星期五的后一天是星期几？
三角形有三条边。 | 三角形有几条边？ | 三角形有多少条边？
正方形有四条边。 | 正方形有几条边？ | 正方形有多少条边？
圆周率约等于三点一四。 | 圆周率是多少？ | 圆周率约等于多少？
鱼用鳃呼吸。 | 鱼用什么呼吸？ | 鱼靠什么呼吸？
人用肺呼吸。 | 人用什么呼吸？ | 人靠什么呼吸？
蜜蜂酿蜂蜜。 | 什么动物酿蜂蜜？ | 蜂蜜是谁酿的？
大熊猫最爱吃竹子。 | 大熊猫爱吃什么？ | 大熊猫吃什么？
牛吃草。 | 牛吃什么？ | 牛爱吃什么？
兔子爱吃胡萝卜和青草。 | 兔子吃什么？ | 兔子爱吃什么？
豆腐是用黄豆做的。 | 豆腐是用什么做的？ | 做豆腐用什么？
面包是用面粉做的。 | 面包是用什么做的？ | 做面包用什么？
葡萄酒是用葡萄做的。 | 葡萄酒是用什么做的？ | 做葡萄酒用什么？
端午节要吃粽子。 | 端午节吃什么？ | 端午节要吃什么？
中秋节要吃月饼。 | 中秋节吃什么？ | 中秋节要吃什么？
元宵节要吃汤圆。 | 元宵节吃什么？ | 元宵节要吃什么？
红色加黄色是橙色。 | 红色加黄色是什么颜色？ | 红色和黄色混在一起是什么颜色？
蓝色加黄色是绿色。 | 蓝色加黄色是什么颜色？ | 蓝色和黄色混在一起是什么颜色？
红色加蓝色是紫色。 | 红色加蓝色是什么颜色？ | 红色和蓝色混在一起是什么颜色？
There are seven days in a week. | How many days are there in a week? | How many days does a week have?
There are twelve months in a year. | How many months are there in a year? | How many months does a year have?
There are 365 days in a year. | How many days are there in a year? | How many days does a year have?
There are twenty-four hours in a day. | How many hours are there in a day? | How many hours does a day have?
There are sixty minutes in an hour. | How many minutes are there in an hour? | How many minutes does an hour have?
There are sixty seconds in a minute. | How many seconds are there in a minute? | How many seconds does a minute have?
There are four seasons: spring, summer, autumn and winter. | How many seasons are there in a year? | What are the four seasons? | Name the seasons.
There are one thousand metres in a kilometre. | How many metres are there in a kilometre? | How long is a kilometre?
There are one hundred centimetres in a metre. | How many centimetres are there in a metre? | How long is a metre?
Water boils at 100 degrees Celsius. | At what temperature does water boil? | When does water boil?
Water freezes at 0 degrees Celsius. | At what temperature does water freeze? | When does water freeze?
The sun rises in the east. | Where does the sun rise? | In which direction does the sun rise?
The sun sets in the west. | Where does the sun set? | In which direction does the sun set?
The highest mountain is Mount Everest. | What is the highest mountain in the world? | Which mountain is the highest?
The longest river is the Nile. | What is the longest river in the world? | Which river is the longest?
The largest ocean is the Pacific. | What is the largest ocean in the world? | Which ocean is the largest?
The largest animal is the blue whale. | What is the largest animal in the world? | Which animal is the largest?
The fastest animal on land is the cheetah. | What is the fastest animal on land? | Which animal runs the fastest?
There are eight planets in the solar system. | How many planets are there in the solar system? | How many planets does the sun have?
A rainbow has seven colours. | How many colours does a rainbow have? | How many colours are in a rainbow?
A triangle has three sides. | How many sides does a triangle have? | How many sides has a triangle?
A square has four sides. | How many sides does a square have? | How many sides has a square?
Red and yellow make orange. | What do red and yellow make? | What colour do you get from red and yellow?
Blue and yellow make green. | What do blue and yellow make? | What colour do you get from blue and yellow?
Red and blue make purple. | What do red and blue make? | What colour do you get from red and blue?
Bees make honey. | Which animal makes honey? | Who makes honey?
Cows eat grass. | What do cows eat? | What does a cow eat?
Pandas eat bamboo. | What do pandas eat? | What does a panda eat?
Fish breathe with gills. | How do fish breathe? | What do fish breathe with?
There are twenty-six letters in the English alphabet. | How many letters are there in the English alphabet? | How many letters does English have?
`;

export interface Question {
  readonly answer: string;
  readonly wordings: readonly string[];
}

export const questions: readonly Question[] = lines
  .trim()
  .split("\n")
  .map((line) => {
    const [answer = "", ...wordings] = line.split("|").map((cell) => cell.trim());
    return { answer, wordings };
  });
