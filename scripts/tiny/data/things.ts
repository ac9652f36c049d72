/** @file Things with a one-sentence definition: Chinese name, definition, English name with its article, definition. */
import { table } from "./table.ts";

export const things: string[][] = table(
  4,
  `
苹果 | 苹果是一种又甜又脆的水果，常见的有红色和绿色。 | an apple | An apple is a sweet, crisp fruit that is often red or green.
香蕉 | 香蕉是一种弯弯的黄色水果，又软又甜。 | a banana | A banana is a long yellow fruit that is soft and sweet.
橙子 | 橙子是一种酸甜多汁的圆形水果。 | an orange | An orange is a round, juicy fruit.
葡萄 | 葡萄是一串一串生长的小水果，可以酿酒。 | a grape | A grape is a small fruit that grows in bunches.
草莓 | 草莓是一种红色的小水果，表面有许多籽。 | a strawberry | A strawberry is a small red fruit with seeds on its skin.
桃子 | 桃子是一种毛茸茸的水果，中间有一个硬核。 | a peach | A peach is a soft fruit with a hard stone inside.
柠檬 | 柠檬是一种很酸的黄色水果。 | a lemon | A lemon is a very sour yellow fruit.
菠萝 | 菠萝是一种外皮带刺的热带水果。 | a pineapple | A pineapple is a tropical fruit with a rough skin.
土豆 | 土豆是长在地下的蔬菜，可以做成薯条。 | a potato | A potato is a vegetable that grows under the ground.
番茄 | 番茄是一种红色多汁的蔬菜，也叫西红柿。 | a tomato | A tomato is a red, juicy vegetable.
胡萝卜 | 胡萝卜是一种橙色的根类蔬菜。 | a carrot | A carrot is an orange root vegetable.
白菜 | 白菜是一种冬天常吃的绿叶蔬菜。 | a cabbage | A cabbage is a vegetable with many leaves.
洋葱 | 洋葱是一种切的时候会让人流泪的蔬菜。 | an onion | An onion is a vegetable that makes you cry when you cut it.
米饭 | 米饭是用大米加水煮成的主食。 | rice | Rice is a grain that people cook in water and eat every day.
面条 | 面条是用面粉做成的细长食物。 | noodles | Noodles are long, thin strips of dough.
鸡蛋 | 鸡蛋是母鸡下的蛋，有蛋白和蛋黄。 | an egg | An egg is laid by a hen and has a white and a yolk.
奶酪 | 奶酪是用牛奶发酵做成的食物。 | cheese | Cheese is a food made from milk.
巧克力 | 巧克力是用可可豆做成的甜食。 | chocolate | Chocolate is a sweet food made from cocoa beans.
蜂蜜 | 蜂蜜是蜜蜂用花蜜酿成的甜食。 | honey | Honey is a sweet food that bees make from flowers.
糖 | 糖是一种甜的调味品。 | sugar | Sugar is a sweet powder used in food.
盐 | 盐是一种咸的白色调味品。 | salt | Salt is a white powder that makes food salty.
醋 | 醋是一种酸的液体调味品。 | vinegar | Vinegar is a sour liquid used in cooking.
酱油 | 酱油是用大豆酿成的深色调味品。 | soy sauce | Soy sauce is a dark, salty sauce made from soybeans.
汤圆 | 汤圆是用糯米粉做成的圆形甜食，元宵节常吃。 | tangyuan | Tangyuan are sweet round dumplings made of sticky rice.
粽子 | 粽子是用竹叶包着糯米煮成的食物，端午节常吃。 | zongzi | Zongzi is sticky rice wrapped in bamboo leaves.
月饼 | 月饼是中秋节吃的圆形糕点。 | a mooncake | A mooncake is a round cake eaten at the Mid-Autumn Festival.
包子 | 包子是带馅的蒸面食。 | a steamed bun | A steamed bun is soft bread with a filling inside.
寿司 | 寿司是日本的一种食物，用米饭和生鱼做成。 | sushi | Sushi is a Japanese dish of rice and raw fish.
披萨 | 披萨是意大利的一种烤饼，上面有奶酪和番茄。 | pizza | Pizza is a flat Italian bread baked with cheese and tomato.
汉堡 | 汉堡是用面包夹着肉饼和蔬菜的食物。 | a hamburger | A hamburger is a round bread with meat inside.
冰淇淋 | 冰淇淋是一种又凉又甜的冷冻食品。 | ice cream | Ice cream is a cold, sweet frozen food.
水 | 水是没有颜色、没有味道的液体，生命离不开它。 | water | Water is a clear liquid that all living things need.
果汁 | 果汁是从水果里榨出来的饮料。 | juice | Juice is a drink pressed from fruit.
啤酒 | 啤酒是用大麦酿成的酒。 | beer | Beer is a drink made from barley.
老虎 | 老虎是一种身上有黑色条纹的大型猛兽。 | a tiger | A tiger is a big wild cat with black stripes.
狮子 | 狮子是生活在草原上的大型猛兽，雄狮有鬃毛。 | a lion | A lion is a big wild cat that lives on the grassland.
猴子 | 猴子是一种聪明、会爬树的动物。 | a monkey | A monkey is a clever animal that climbs trees.
兔子 | 兔子是一种长耳朵的小动物，爱吃草。 | a rabbit | A rabbit is a small animal with long ears.
马 | 马是一种跑得很快的动物，人可以骑它。 | a horse | A horse is a fast animal that people can ride.
牛 | 牛是一种吃草的大型家畜，可以产奶和耕地。 | a cow | A cow is a farm animal that gives milk.
羊 | 羊是一种吃草的家畜，毛可以织成衣服。 | a sheep | A sheep is a farm animal that gives wool.
猪 | 猪是一种胖胖的家畜，鼻子很大。 | a pig | A pig is a fat farm animal with a big nose.
鸡 | 鸡是一种家禽，公鸡早上会打鸣。 | a chicken | A chicken is a farm bird that lays eggs.
鸭子 | 鸭子是一种会游泳的家禽，嘴巴扁扁的。 | a duck | A duck is a bird that swims and has a flat beak.
鱼 | 鱼是生活在水里的动物，用鳃呼吸。 | a fish | A fish is an animal that lives in water and has fins.
鲸鱼 | 鲸鱼是生活在海里的哺乳动物，体形巨大。 | a whale | A whale is a huge mammal that lives in the sea.
鲨鱼 | 鲨鱼是海里的大型食肉鱼类，牙齿很尖。 | a shark | A shark is a big fish with sharp teeth.
海豚 | 海豚是生活在海里的聪明的哺乳动物。 | a dolphin | A dolphin is a clever mammal that lives in the sea.
企鹅 | 企鹅是生活在南极的鸟，会游泳但不会飞。 | a penguin | A penguin is a bird that swims but cannot fly.
乌龟 | 乌龟是一种背着硬壳、走得很慢的动物。 | a turtle | A turtle is a slow animal with a hard shell.
蛇 | 蛇是一种没有脚的爬行动物。 | a snake | A snake is a long animal without legs.
青蛙 | 青蛙是一种会跳、会吃害虫的小动物。 | a frog | A frog is a small green animal that jumps.
蝴蝶 | 蝴蝶是一种翅膀美丽的昆虫。 | a butterfly | A butterfly is an insect with beautiful wings.
蚂蚁 | 蚂蚁是一种成群生活的小昆虫，力气很大。 | an ant | An ant is a tiny insect that lives in large groups.
蜘蛛 | 蜘蛛是一种有八条腿、会织网的动物。 | a spider | A spider is an animal with eight legs that spins webs.
骆驼 | 骆驼是生活在沙漠里的动物，背上有驼峰。 | a camel | A camel is a desert animal with humps on its back.
长颈鹿 | 长颈鹿是世界上最高的陆地动物，脖子很长。 | a giraffe | A giraffe is the tallest land animal and has a long neck.
袋鼠 | 袋鼠是澳大利亚的动物，用后腿跳着走，有育儿袋。 | a kangaroo | A kangaroo is an Australian animal that jumps and has a pouch.
鹰 | 鹰是一种飞得很高、眼睛很尖的猛禽。 | an eagle | An eagle is a large bird with very sharp eyes.
恐龙 | 恐龙是很久以前生活在地球上的动物，已经灭绝了。 | a dinosaur | A dinosaur is an animal that lived long ago and died out.
树 | 树是有树干和枝叶的高大植物。 | a tree | A tree is a tall plant with a trunk and leaves.
草 | 草是一种矮小的绿色植物。 | grass | Grass is a low green plant that covers the ground.
玫瑰 | 玫瑰是一种带刺的花，常用来表示爱情。 | a rose | A rose is a flower with thorns that stands for love.
牡丹 | 牡丹是一种又大又美的花，被称为花中之王。 | a peony | A peony is a large, beautiful flower loved in China.
向日葵 | 向日葵是一种朝着太阳开放的黄色大花。 | a sunflower | A sunflower is a big yellow flower that faces the sun.
棉花 | 棉花是一种可以织布的植物纤维。 | cotton | Cotton is a soft plant fibre used to make cloth.
星星 | 星星是夜空中发光的天体。 | a star | A star is a ball of hot gas that shines in the sky.
火星 | 火星是太阳系的第四颗行星，看起来是红色的。 | Mars | Mars is the fourth planet from the sun and looks red.
木星 | 木星是太阳系里最大的行星。 | Jupiter | Jupiter is the largest planet in the solar system.
土星 | 土星是太阳系里带有明显光环的行星。 | Saturn | Saturn is a planet with bright rings.
银河系 | 银河系是太阳所在的星系，有上千亿颗恒星。 | the Milky Way | The Milky Way is the galaxy that the sun belongs to.
云 | 云是天空中由小水滴或冰晶组成的东西。 | a cloud | A cloud is made of tiny drops of water in the sky.
风 | 风是流动的空气。 | wind | Wind is moving air.
闪电 | 闪电是云层放电时发出的强光。 | lightning | Lightning is a flash of electricity in the sky.
地震 | 地震是地壳突然震动的现象。 | an earthquake | An earthquake is a sudden shaking of the ground.
火山 | 火山是会喷出岩浆的山。 | a volcano | A volcano is a mountain that can throw out melted rock.
沙漠 | 沙漠是雨水很少、布满沙子的地方。 | a desert | A desert is a dry place with very little rain.
森林 | 森林是长满树木的大片土地。 | a forest | A forest is a large area covered with trees.
河流 | 河流是在陆地上流动的水。 | a river | A river is water that flows across the land.
湖 | 湖是被陆地包围的大片水面。 | a lake | A lake is a large area of water with land around it.
岛 | 岛是四面被水包围的陆地。 | an island | An island is land with water all around it.
冰 | 冰是水在零度以下结成的固体。 | ice | Ice is frozen water.
空气 | 空气是包围地球的气体，主要是氮气和氧气。 | air | Air is the mix of gases around the earth.
氧气 | 氧气是人和动物呼吸需要的气体。 | oxygen | Oxygen is the gas that people and animals breathe.
金子 | 金子是一种贵重的黄色金属。 | gold | Gold is a yellow metal of great value.
铁 | 铁是一种坚硬的金属，容易生锈。 | iron | Iron is a strong metal that can rust.
铜 | 铜是一种容易导电的红色金属。 | copper | Copper is a red metal that carries electricity well.
玻璃 | 玻璃是一种透明而容易碎的材料。 | glass | Glass is a clear material that breaks easily.
塑料 | 塑料是一种轻便的人造材料。 | plastic | Plastic is a light material made by people.
木头 | 木头是从树木上得到的材料。 | wood | Wood is a material that comes from trees.
纸 | 纸是用植物纤维做成的，可以用来写字。 | paper | Paper is a thin material made from plants for writing.
汽车 | 汽车是有四个轮子、靠发动机行驶的交通工具。 | a car | A car is a vehicle with four wheels and an engine.
公共汽车 | 公共汽车是可以坐很多人的交通工具。 | a bus | A bus is a large vehicle that carries many people.
船 | 船是在水上航行的交通工具。 | a ship | A ship is a large boat that travels on water.
地铁 | 地铁是在城市地下行驶的列车。 | the subway | The subway is a train that runs under a city.
桥 | 桥是架在河上让人和车通过的建筑。 | a bridge | A bridge is built over a river so that people can cross it.
学校 | 学校是学生学习的地方。 | a school | A school is a place where children learn.
医院 | 医院是给病人看病的地方。 | a hospital | A hospital is a place where sick people get help.
银行 | 银行是存钱和取钱的地方。 | a bank | A bank is a place that keeps money.
超市 | 超市是卖各种食品和日用品的大商店。 | a supermarket | A supermarket is a large shop that sells food and goods.
公园 | 公园是供人们散步和休息的地方。 | a park | A park is a green place where people walk and rest.
博物馆 | 博物馆是收藏和展览文物的地方。 | a museum | A museum is a place that keeps and shows old things.
电影院 | 电影院是放映电影的地方。 | a cinema | A cinema is a place where films are shown.
医生 | 医生是给病人看病的人。 | a doctor | A doctor is a person who helps sick people.
老师 | 老师是在学校教学生的人。 | a teacher | A teacher is a person who helps students learn.
警察 | 警察是维护社会安全的人。 | a police officer | A police officer is a person who keeps people safe.
农民 | 农民是在田里种庄稼的人。 | a farmer | A farmer is a person who grows food on a farm.
厨师 | 厨师是做饭菜的人。 | a cook | A cook is a person who makes food.
司机 | 司机是开车的人。 | a driver | A driver is a person who drives a car.
作家 | 作家是写书的人。 | a writer | A writer is a person who writes books.
画家 | 画家是画画的人。 | a painter | A painter is a person who paints pictures.
桌子 | 桌子是有桌面和桌腿的家具。 | a table | A table is a piece of furniture with a flat top.
椅子 | 椅子是给人坐的家具。 | a chair | A chair is a piece of furniture for one person to sit on.
床 | 床是睡觉用的家具。 | a bed | A bed is a piece of furniture for sleeping.
门 | 门是房间的出入口。 | a door | A door is the way into a room.
窗户 | 窗户是让光线和空气进入房间的地方。 | a window | A window lets light and air into a room.
灯 | 灯是用来照明的器具。 | a lamp | A lamp is a thing that gives light.
钟表 | 钟表是用来看时间的工具。 | a clock | A clock is a tool that shows the time.
雨伞 | 雨伞是下雨时挡雨的工具。 | an umbrella | An umbrella keeps you dry in the rain.
剪刀 | 剪刀是用来剪纸和布的工具。 | scissors | Scissors are a tool for cutting paper and cloth.
铅笔 | 铅笔是一种可以擦掉字迹的笔。 | a pencil | A pencil is a tool for writing that can be rubbed out.
书 | 书是写有文字、装订成册的读物。 | a book | A book is a set of pages with words to read.
字典 | 字典是用来查字的工具书。 | a dictionary | A dictionary is a book that explains words.
地图 | 地图是表示地面位置的图。 | a map | A map is a picture that shows where places are.
镜子 | 镜子是可以照出人影的东西。 | a mirror | A mirror is a glass in which you can see yourself.
刀 | 刀是用来切东西的工具。 | a knife | A knife is a tool for cutting.
勺子 | 勺子是用来喝汤的餐具。 | a spoon | A spoon is a tool for eating soup.
杯子 | 杯子是用来喝水的容器。 | a cup | A cup is a small container for drinks.
帽子 | 帽子是戴在头上的东西。 | a hat | A hat is a thing that you wear on your head.
鞋子 | 鞋子是穿在脚上的东西。 | shoes | Shoes are things that you wear on your feet.
手套 | 手套是戴在手上保暖的东西。 | gloves | Gloves are things that keep your hands warm.
吉他 | 吉他是一种有六根弦的乐器。 | a guitar | A guitar is a musical instrument with six strings.
小提琴 | 小提琴是一种用弓拉的弦乐器。 | a violin | A violin is a musical instrument played with a bow.
笛子 | 笛子是一种用竹子做的吹奏乐器。 | a flute | A flute is a musical instrument that you blow.
鼓 | 鼓是一种敲打的乐器。 | a drum | A drum is a musical instrument that you hit.
乒乓球 | 乒乓球是在球桌上用球拍打的小球运动。 | table tennis | Table tennis is a game played on a table with a small ball.
象棋 | 象棋是两个人下的棋类游戏。 | chess | Chess is a board game for two players.
游泳 | 游泳是在水里前进的运动。 | swimming | Swimming is the sport of moving through water.
电视 | 电视是可以看节目的电器。 | a television | A television is a machine that shows pictures and sound.
相机 | 相机是用来拍照的机器。 | a camera | A camera is a machine for taking pictures.
机器人 | 机器人是能自动做事的机器。 | a robot | A robot is a machine that can do work by itself.
互联网 | 互联网是把全世界的电脑连在一起的网络。 | the internet | The internet is a network that joins computers all over the world.
心脏 | 心脏是把血液送到全身的器官。 | the heart | The heart is the organ that pumps blood.
大脑 | 大脑是负责思考的器官。 | the brain | The brain is the organ that thinks.
眼睛 | 眼睛是看东西的器官。 | an eye | An eye is the organ that we see with.
耳朵 | 耳朵是听声音的器官。 | an ear | An ear is the organ that we hear with.
三角形 | 三角形是有三条边的图形。 | a triangle | A triangle is a shape with three sides.
正方形 | 正方形是四条边一样长的图形。 | a square | A square is a shape with four equal sides.
圆 | 圆是没有角的图形，各点到圆心一样远。 | a circle | A circle is a perfectly round shape.
`,
);

/** People: Chinese name, who they are, English name, who they are. */
export const people: string[][] = table(
  4,
  `
李白 | 李白是中国唐代的诗人，被称为诗仙。 | Li Bai | Li Bai was a great poet of the Tang dynasty.
杜甫 | 杜甫是中国唐代的诗人，被称为诗圣。 | Du Fu | Du Fu was a Chinese poet who wrote about the life of the people.
孔子 | 孔子是中国古代的思想家和教育家。 | Confucius | Confucius was a thinker and teacher of ancient China.
秦始皇 | 秦始皇是中国的第一位皇帝，统一了六国。 | Qin Shi Huang | Qin Shi Huang was the first emperor of China.
曹雪芹 | 曹雪芹是清代作家，写了《红楼梦》。 | Cao Xueqin | Cao Xueqin was a Chinese writer of the Qing dynasty.
鲁迅 | 鲁迅是中国现代作家，写了《狂人日记》。 | Lu Xun | Lu Xun was a modern Chinese writer.
孙悟空 | 孙悟空是《西游记》里的猴王，会七十二变。 | Sun Wukong | Sun Wukong is the Monkey King in Journey to the West.
诸葛亮 | 诸葛亮是三国时期蜀国的丞相，非常聪明。 | Zhuge Liang | Zhuge Liang was a wise minister of the Three Kingdoms.
牛顿 | 牛顿是英国科学家，发现了万有引力定律。 | Newton | Newton was an English scientist who found the law of gravity.
爱因斯坦 | 爱因斯坦是提出相对论的物理学家。 | Einstein | Einstein was a scientist who found the theory of relativity.
达尔文 | 达尔文是提出进化论的英国科学家。 | Darwin | Darwin was an English scientist who wrote about evolution.
居里夫人 | 居里夫人是发现镭的科学家，得过两次诺贝尔奖。 | Marie Curie | Marie Curie was a scientist who discovered radium.
爱迪生 | 爱迪生是美国发明家，改进了电灯。 | Edison | Edison was an American inventor who improved the light bulb.
贝多芬 | 贝多芬是德国作曲家，写了九部交响曲。 | Beethoven | Beethoven was a German composer who wrote nine symphonies.
莫扎特 | 莫扎特是奥地利作曲家，从小就会作曲。 | Mozart | Mozart was an Austrian composer who wrote music as a child.
莎士比亚 | 莎士比亚是英国剧作家，写了《哈姆雷特》。 | Shakespeare | Shakespeare was an English writer of plays.
达芬奇 | 达芬奇是意大利画家，画了《蒙娜丽莎》。 | Leonardo da Vinci | Leonardo da Vinci was an Italian artist who painted the Mona Lisa.
梵高 | 梵高是荷兰画家，画了《向日葵》。 | Van Gogh | Van Gogh was a Dutch painter who painted sunflowers.
安徒生 | 安徒生是丹麦作家，写了许多童话。 | Andersen | Andersen was a Danish writer of fairy tales.
哥伦布 | 哥伦布是航海家，一四九二年到达美洲。 | Columbus | Columbus was a sailor who reached America in 1492.
`,
);
