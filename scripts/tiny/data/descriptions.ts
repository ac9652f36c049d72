/** @file Well-known things with a description of about a hundred characters, so that the model can utter a whole paragraph. */
import { table } from "./table.ts";

/** Chinese name, description, English name with its article, a shorter English description. */
export const descriptions: string[][] = table(
  4,
  `
长城 | 长城是中国古代修建的巨大城墙，从东边的山海一直延伸到西边的沙漠，全长超过两万公里。古人用石头和砖块把它建在高高的山上，用来防御敌人。今天它是世界闻名的古迹，每年都有许多人来登长城，看群山和日出。 | the Great Wall | The Great Wall is a very long wall in China. People built it over many centuries to keep enemies out, and today visitors from all over the world come to walk on it.
故宫 | 故宫在北京城的中心，是明朝和清朝皇帝居住的地方。它有红色的墙、黄色的瓦和几千间房屋，四周有宽宽的护城河。现在故宫是一座博物院，里面收藏着许多珍贵的书画和瓷器，人人都可以买票进去参观。 | the Forbidden City | The Forbidden City is an old palace in Beijing. Emperors lived there for about five hundred years, and now it is a museum.
大熊猫 | 大熊猫是中国特有的动物，身上只有黑白两种颜色，眼睛周围有一圈黑毛，看起来非常可爱。它们住在高山的竹林里，每天要花很多时间吃竹子，吃饱了就睡觉。大熊猫数量很少，所以人们建立了保护区来保护它们。 | a giant panda | A giant panda is a black and white bear from China. It lives in mountain forests and eats bamboo for most of the day.
月亮 | 月亮是绕着地球转动的星球，它自己不会发光，我们看到的月光其实是它反射的太阳光。月亮有时圆，有时弯，大约一个月变化一次。月亮上没有空气，也没有水流，到处是坑和石头，人类在一九六九年第一次登上了它。 | the moon | The moon moves around the earth. It gives no light of its own but reflects the light of the sun, and people first walked on it in 1969.
太阳 | 太阳是太阳系中心的恒星，是一个巨大的、非常热的气体球。它给地球带来光和热，没有太阳，植物不能生长，动物和人也不能生活。太阳离我们很远，光从太阳走到地球大约要八分钟。白天我们看到它从东边升起，从西边落下。 | the sun | The sun is the star at the centre of the solar system. It gives the earth light and warmth, and nothing could live here without it.
地球 | 地球是太阳系里的第三颗行星，也是我们人类的家。它的表面大部分是蓝色的海洋，其余是陆地，外面包着一层空气。地球一边自己转，一边绕着太阳转，自转一圈是一天，绕太阳一圈是一年，所以才有白天黑夜和四季。 | the earth | The earth is the third planet from the sun and our home. Most of it is covered with water, and it travels around the sun once a year.
海洋 | 海洋是地球上最大的水体，海水又咸又苦，盖住了地球表面的大约七成。海洋里住着各种各样的鱼、虾、贝壳和鲸，深处又黑又冷，还有许多地方没有人去过。海洋影响着天气，也给人们带来食物和盐，船只可以在上面航行。 | the ocean | The ocean is the salt water that covers most of the earth. It is full of fish and plants, and it has a great effect on our weather.
茶 | 茶是用茶树的叶子泡成的饮料，最早出现在中国，已经有几千年的历史。常见的有绿茶、红茶和乌龙茶，味道有的清香，有的浓厚。泡茶时先烧开水，再放进茶叶，等几分钟就可以喝。客人来了，主人常常先请他喝一杯热茶。 | tea | Tea is a drink made from the leaves of the tea plant and hot water. It comes from China and is loved all over the world.
饺子 | 饺子是中国北方人喜欢吃的传统食物，用面粉做成薄薄的皮，里面包上肉和蔬菜，再放到水里煮熟。过年的时候，全家人坐在一起，一边聊天一边包饺子，十分热闹。吃的时候可以蘸一点醋和酱油，味道又鲜又香。 | dumplings | Dumplings are thin dough filled with meat and vegetables. Chinese families make them together for the New Year.
火锅 | 火锅是一种大家围在一起吃的热菜，桌子中间放一口锅，锅里的汤一直烧着，吃的人把肉片、蔬菜和豆腐放进去煮，熟了就夹出来蘸酱吃。四川的火锅又麻又辣，北京的火锅多涮羊肉。天冷的时候吃火锅，全身都会暖和起来。 | hot pot | Hot pot is a meal that people cook together at the table. They put meat and vegetables into a pot of boiling soup and eat them hot.
豆腐 | 豆腐是用黄豆做成的食物，颜色雪白，又软又嫩。先把豆子泡在水里，磨成豆浆，煮开以后加入一点盐卤，它就会慢慢凝固成块。豆腐价钱便宜，营养丰富，可以炒，可以炖，也可以凉拌，是中国人家里常见的菜。 | tofu | Tofu is a soft white food made from soybeans. It is cheap and healthy, and it can be fried, boiled or eaten cold.
筷子 | 筷子是中国人吃饭用的餐具，是两根一样长的细棍子，常用竹子或者木头做成。用的时候一只手拿住两根，上面一根可以动，下面一根不动，就能夹起饭菜。筷子已经有三千多年的历史，日本、韩国和越南的人也用它吃饭。 | chopsticks | Chopsticks are two thin sticks of the same length. People in China and other Asian countries use them to eat.
春节 | 春节是中国最重要的传统节日，也就是农历新年。节日前人们打扫房子、贴红色的春联，除夕晚上全家一起吃年夜饭，孩子们会收到红包。街上有舞龙和舞狮，到处都很热闹。大家见面时常说新年快乐，祝愿来年平安幸福。 | the Spring Festival | The Spring Festival is the Chinese New Year. Families meet for a big dinner, and children get red envelopes with money.
中秋节 | 中秋节在农历八月十五，这一天晚上的月亮又大又圆，代表着全家团圆。人们坐在院子里，一边赏月一边吃月饼，给孩子们讲嫦娥和玉兔的故事。在外地工作的人会给家里打电话，告诉亲人自己很想念他们。 | the Mid-Autumn Festival | The Mid-Autumn Festival is in early autumn, when the moon is full. Families eat mooncakes and look at the moon together.
黄河 | 黄河是中国第二长的河流，从青藏高原流出，一路向东，最后流进渤海。河水里有很多泥沙，看上去是黄色的，所以叫黄河。古时候，人们很早就在它的两岸种田生活，因此它被叫做中国人的母亲河。 | the Yellow River | The Yellow River is the second longest river in China. Its water is yellow because it carries a lot of sand.
长江 | 长江是中国最长的河流，也是世界第三长的河，全长六千多公里。它从雪山上流下来，穿过高山和平原，经过重庆、武汉和南京，在上海附近流进大海。长江两岸有许多城市和良田，江上每天都有很多船来来往往。 | the Yangtze | The Yangtze is the longest river in China. It flows from the snow mountains to the sea near Shanghai.
西湖 | 西湖在浙江杭州，是中国有名的湖。湖水清清的，三面是山，湖边种着柳树和桃树，湖上有长长的堤和古老的桥。春天花开，夏天荷叶满湖，秋天月亮映在水里，冬天有时还能看到雪景，古代诗人为它写过许多诗。 | West Lake | West Lake is a famous lake in Hangzhou. It has hills on three sides, old bridges and willow trees along the water.
雪 | 雪是冬天从云里落下来的白色冰晶，每一片雪花都有六个角，样子各不相同。天气很冷的时候，水汽在空中结成小小的冰晶，慢慢变大，就飘落下来。雪后大地一片洁白，孩子们喜欢堆雪人、打雪仗，农民也盼着好雪带来丰收。 | snow | Snow is made of white ice crystals that fall from clouds in cold weather. Children like to build snowmen with it.
雨 | 雨是从云里落下来的水滴。太阳晒热了海面和地面，水变成水汽升到天上，遇冷以后变成小水滴，聚在一起就成了云，水滴太重就会落下来变成雨。雨水让庄稼生长，也流进河里和湖里，不过下得太多会引起洪水。 | rain | Rain is water that falls from the clouds in drops. It makes plants grow and fills the rivers and lakes.
彩虹 | 彩虹是雨后天空中出现的彩色圆弧，从外到里有红、橙、黄、绿、蓝、靛、紫七种颜色。它是太阳光照进空气里的小水滴，经过折射和反射以后形成的。想看到彩虹，要背对着太阳，早晨的彩虹在西边，傍晚的在东边。 | a rainbow | A rainbow is an arc of seven colours in the sky. It appears when the sun shines through drops of rain.
自行车 | 自行车是一种有两个轮子的交通工具，人坐在上面用脚踩踏板，链条就带动后轮向前走。它不用汽油，不会污染空气，骑车还能锻炼身体。很多人骑自行车上班、上学，骑车的时候要戴好头盔，注意来往的车辆。 | a bicycle | A bicycle has two wheels and moves when you push the pedals. It needs no fuel and keeps you healthy.
火车 | 火车是在铁轨上行驶的交通工具，由车头拉着许多节车厢，可以运送很多人和货物。最早的火车烧煤，用蒸汽推动，现在的火车大多用电。中国的高铁跑得又快又稳，每小时可以跑三百多公里，出门旅行非常方便。 | a train | A train runs on rails and can carry many people and goods. The fastest trains go more than three hundred kilometres an hour.
飞机 | 飞机是在空中飞行的交通工具，有两个长长的翅膀和强大的发动机，能把人很快地送到很远的地方。一九零三年，美国的莱特兄弟第一次让飞机飞上了天空。坐飞机的时候，要系好安全带，从窗口可以看到白云和大地。 | an airplane | An airplane flies through the air with wings and engines. The Wright brothers made the first flight in 1903.
电脑 | 电脑是能按照程序自动计算和处理信息的机器，由屏幕、键盘、内存和处理器等部分组成。人们用它写文章、看电影、做设计，也用它上网和朋友聊天。第一台电脑有一间屋子那么大，现在的电脑可以放进书包里带走。 | a computer | A computer is a machine that follows programs to work with information. People use it to write, to draw and to talk to friends.
手机 | 手机是可以带在身上的电话，除了打电话，还能发消息、拍照片、听音乐、看地图和付钱。它有一块可以触摸的屏幕，里面装着电池和小小的芯片，每天都要充电。手机给生活带来很多方便，但是看得太久会伤害眼睛。 | a mobile phone | A mobile phone is a telephone that you can carry with you. It can also take pictures, play music and show maps.
图书馆 | 图书馆是收藏书籍、供人们借书和看书的地方，里面有一排排高高的书架，书按照类别放得整整齐齐。读者可以办一张借书证，把喜欢的书带回家看。馆里很安静，大家轻轻地走路，小声地说话，学生常来这里写作业。 | a library | A library is a quiet place full of books. People can read there or borrow books and take them home.
冰箱 | 冰箱是让食物保持低温的电器，一般分成冷藏室和冷冻室两个部分。冷藏室可以放水果、牛奶和剩菜，冷冻室可以放肉和冰淇淋。温度低的时候细菌长得很慢，所以食物不容易变坏。冰箱的门要随手关好，这样才省电。 | a refrigerator | A refrigerator is a machine that keeps food cold. Food stays fresh longer in it because it is cool inside.
烤箱 | 烤箱是用热空气把食物烤熟的厨房电器，可以烤面包、蛋糕、鸡翅和红薯。用的时候先把温度调好，预热几分钟，再把食物放进去，定好时间。烤好的食物外面又香又脆，里面又软又嫩，拿出来的时候要戴上厚手套。 | an oven | An oven is a kitchen machine that bakes food with hot air. You can make bread, cakes and meat in it.
钢琴 | 钢琴是一种键盘乐器，有八十八个黑白相间的琴键，手指按下琴键，里面的小锤就会敲打琴弦，发出好听的声音。钢琴的音域很宽，可以弹很轻的曲子，也可以弹很响的曲子，所以人们叫它乐器之王，学钢琴要天天练习。 | a piano | A piano is a musical instrument with eighty-eight black and white keys. It can play both soft and loud music.
足球 | 足球是世界上最流行的运动，两个队各有十一个人，在一块长方形的草地上比赛。除了守门员，别的队员都不能用手碰球，把球踢进对方的球门就得一分。一场比赛九十分钟，四年一次的世界杯会吸引全世界的球迷。 | football | Football is the most popular sport in the world. Two teams of eleven players try to kick the ball into the goal.
篮球 | 篮球是两个队在长方形场地上进行的运动，每队五个人上场，用手拍球、传球，把球投进高高的篮筐就得分。站得远投进得三分，站得近得两分。打篮球要会跑会跳，也要会配合，许多学校的操场上都有篮球架。 | basketball | Basketball is a game for two teams of five players. They throw the ball through a high ring to win points.
猫 | 猫是人们喜欢养的小动物，身体柔软，走路没有声音，夜里也能看清东西。它爱干净，常常用舌头舔自己的毛，高兴的时候会发出呼噜声。猫会捉老鼠，也爱晒太阳和睡觉，有的喜欢和人玩，有的喜欢自己待着。 | a cat | A cat is a small soft animal that many people keep at home. It can see in the dark and likes to catch mice.
狗 | 狗是人类最早驯养的动物，也是人的好朋友。它的鼻子特别灵，能闻到很远的气味，所以可以帮助警察找东西，也可以给盲人带路。狗很忠诚，看到主人回家会高兴地摇尾巴。养狗的人每天要带它出去散步。 | a dog | A dog is an animal that is called the best friend of people. It has a very good nose and can guard the house.
大象 | 大象是陆地上最大的动物，有长长的鼻子、大大的耳朵和粗粗的腿。它用鼻子喝水、拿食物，还能搬动很重的木头。大象喜欢一家人生活在一起，由年纪最大的母象带路，它们记性很好，主要吃草、树叶和水果。 | an elephant | An elephant is the largest animal on land. It has a long trunk, big ears and a very good memory.
蜜蜂 | 蜜蜂是一种勤劳的小昆虫，身上有黄黑相间的花纹。它们成千上万只住在一个蜂巢里，有一只蜂王和许多工蜂。工蜂每天飞到花丛中采花蜜，带回来酿成甜甜的蜂蜜，找到花的时候，还会跳舞告诉同伴在哪里。 | a bee | A bee is a small insect that makes honey. Thousands of bees live together in one hive with a queen.
竹子 | 竹子是一种长得很快的植物，茎是空心的，有一节一节的竹节，一年四季都是绿色的。春天下雨以后，竹笋从土里钻出来，几个星期就能长得很高。竹子可以做家具、筷子和乐器，竹笋可以吃，也是大熊猫的食物。 | bamboo | Bamboo is a tall plant with a hollow stem that grows very fast. People make furniture and paper from it.
荷花 | 荷花是长在水里的花，夏天开放，颜色有粉红的，也有雪白的。它的叶子又圆又大，像一把把绿色的小伞，水珠在上面滚来滚去。荷花从泥里长出来却很干净，所以古人很喜欢它。它的根叫做藕，可以炒菜和炖汤。 | a lotus | A lotus is a water flower with large round leaves. It opens in summer and is pink or white.
牛奶 | 牛奶是奶牛产出的白色饮料，含有丰富的蛋白质和钙，可以帮助孩子长高，让骨头更结实。新鲜的牛奶要加热消毒以后再喝，放在冰箱里保存。用牛奶还可以做酸奶、奶酪和黄油，很多人早上会喝一杯热牛奶。 | milk | Milk is a white drink that comes from cows. It is good for your bones and can be made into cheese.
面包 | 面包是用面粉、水和酵母做成的食物，面团揉好以后要放一会儿，让它发起来，再放进烤箱里烤到金黄。刚出炉的面包又香又软，可以涂上黄油或者果酱，也可以夹上鸡蛋和火腿，是许多国家的人每天的早饭。 | bread | Bread is a food made of flour, water and yeast and baked in an oven. Many people eat it for breakfast.
西瓜 | 西瓜是夏天人们最爱吃的水果，外面是绿色的皮，上面有深色的花纹，里面是红色的果肉和黑色的籽。它水分很多，又甜又解渴。天热的时候，把西瓜放在冰箱里冰一下，切成一块一块，全家人一起吃，非常凉快。 | a watermelon | A watermelon is a large fruit with a green skin and sweet red flesh. It is full of water and good on a hot day.
咖啡 | 咖啡是用烤过的咖啡豆磨成粉冲泡的饮料，颜色很深，味道有点苦，闻起来很香。喝了咖啡，人会觉得精神好，所以很多人早上喝一杯再去上班。可以加糖和牛奶，让它变得更甜更柔和，晚上喝太多会睡不着觉。 | coffee | Coffee is a dark drink made from roasted beans and hot water. It smells good and helps people to stay awake.
`,
);
