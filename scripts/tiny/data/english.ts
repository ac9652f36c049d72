/** @file Common English words, so that the vocabulary holds them and sentences of every kind are said. */
import { words } from "./table.ts";

export const englishWords: readonly string[] = words(`
the a an and or but if then that this these those it its he she they we you I me him her them us my your his their our who which
what when where why how is are was were be been being am do does did done have has had will would can could may might must should
shall not no yes all any some many much more most few little less least each every both either neither other another such same own
so too very just only also even still again once twice never always often sometimes usually already yet soon now today tomorrow
yesterday here there everywhere of in on at by for with without within from to into onto out up down over under above below between
among through across along around against before after during since until about as like than because while although though however
one two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million first second third last next
time year month week day hour minute moment morning evening night spring summer autumn winter Monday Tuesday Wednesday Thursday
Friday Saturday Sunday January February March April May June July August September October November December
people man woman child children boy girl friend family mother father brother sister son daughter teacher student doctor nurse farmer
engineer artist writer painter musician player driver worker manager owner member leader king queen president company group team
school university class lesson library museum hospital restaurant cafe hotel shop market bank office factory station airport
city town village country world street road bridge river lake sea ocean island mountain hill forest garden park field beach desert
house home room kitchen door window wall floor roof table chair bed lamp clock phone computer machine engine robot camera
screen keyboard paper book page letter word name number story song music film picture photo game toy ball card map box bag bottle
cup glass plate knife spoon food bread rice meat fish egg milk cheese butter sugar salt oil tea coffee juice water wine beer soup
cake apple banana orange lemon grape potato tomato onion bean corn nut flower tree leaf grass seed root fruit vegetable animal dog
cat horse cow pig sheep goat bird chicken duck bear lion tiger wolf fox rabbit mouse elephant monkey snake frog bee insect whale
body head face eye ear nose mouth tooth hand finger arm leg foot heart blood bone skin hair brain mind
red green blue yellow white black brown grey pink purple golden silver dark light bright big small large tiny long short tall high
low wide narrow deep thick thin heavy strong weak soft hard hot cold warm cool dry wet new old young early late fast slow quick
easy difficult simple clear clean dirty rich poor cheap expensive free full empty open closed happy sad angry afraid kind funny
famous popular important special common rare strange true false right wrong good bad better best worse worst beautiful nice great
make made makes making take took takes taken give gave gives given get got gets go goes went gone come comes came see saw seen look
looks looked find found finds know knows knew known think thought say says said tell told ask asked answer answered call called
calls use uses used using work works worked play plays played run runs ran walk walked live lives lived grow grows grew build built
builds write wrote written writes read reads speak spoke learn learned teach taught show shows shown keep kept keeps hold held bring
brought buy bought sell sold sells pay paid cost costs send sent open opens opened close closes closed start starts started begin
began stop stops stopped end ends ended turn turns turned move moves moved change changes changed help helps helped need needs want
wants like likes liked love loves loved hate try tries tried eat eats ate drink drinks drank sleep sleeps slept wake cook cooked
cut grew fly flies flew swim swam sing sang dance danced draw drew paint painted win won lose lost meet met wait waited stay stayed
leave left arrive arrived visit visited travel travelled carry carried wear wore fall fell break broke born died invented
discovered created designed founded published moved reached measured contains includes consists produces protects connects
water air fire earth stone metal iron gold copper wood glass plastic cloth wool cotton salt sand ice snow rain wind cloud storm sun
moon star planet space light sound colour shape size weight length height speed power energy heat temperature pressure
science history art language culture law money price business government war peace religion sport health medicine education
technology internet network server software program system model data code file message email password version error
user account project design test result problem question reason example idea plan rule method process step part piece side
top middle bottom front back inside outside north south east west left centre corner edge line point circle square surface
kilometres metres centimetres kilograms grams litres degrees percent dollars euros years hours minutes seconds people
`);
