//! Words by what they do. Each list is one line of thought, and none is meant to be whole: what is in no list is left
//! to the comparison of meanings.

/// Words that carry no content of their own: articles, pronouns, auxiliaries, prepositions, words of asking.
pub(super) const STOP: &str = "
    a an the this that these those there here it its itself i me my mine myself we us our ours you your yours he him
    his she her hers they them their theirs who whom whose what which when where why how whether be am is are was were
    been being do does did doing done have has had having can could will would shall should may might must need ought
    and or but so if then than as at by for from in into of off on onto out over to toward towards under up down upon
    with within about above across after against along among around before behind below beneath beside between beyond
    during near per since through throughout until till via whilst while also too very really quite just even ever
    any some such own same other another each more most much many lot lots get got getting go going let make made please
    tell know want wish like would 's possible way ways thing things one ones someone something anyone anything
    anybody somebody exactly actually currently available there's able ok okay";

/// Words of courtesy: they may open or close what is asked, and change nothing about it.
pub(super) const COURTESY: &str = "
    hi hello hey hiya dear greetings good morning afternoon evening day there team all everyone everybody folks guys sir
    madam please thanks thank cheers sorry apologies excuse pardon bother bothering trouble quick silly stupid dumb
    small little simple question wondering wondered curious just one again advance much many ta kindly help appreciated
    regards best kind";

/// Words that turn a statement round.
pub(super) const NEGATORS: &str =
    "not no never none nobody nothing nowhere neither nor without non nope cannot hardly barely";

/// Words that deny without being a negation.
pub(super) const DENIALS: &str = "
    avoid prevent prohibit forbid forbidden ban refuse reject deny decline fail exclude lack unable impossible stop quit
    cease disallow skip omit miss missing";

/// Words that narrow what is asked: whoever uses one means it, so both texts have to.
pub(super) const SCOPE: &str =
    "only solely exclusively except excluding unless instead besides otherwise apart else
    detail briefly concisely shortly thoroughly";

/// What is opposed: either side of a line against its other side.
pub(super) const AXES: &[(&str, &str)] = &[
    ("on", "off"),
    ("in inside", "out outside"),
    ("up", "down"),
    ("open opened", "close closed shut"),
    ("start begin launch commence", "stop end finish quit terminate"),
    ("enable activate", "disable deactivate"),
    (
        "increase raise grow bigger larger higher expand",
        "decrease reduce lower cut shrink smaller lessen decline fall drop",
    ),
    ("more", "less fewer"),
    ("most maximum max", "least minimum min"),
    ("best better", "worst worse"),
    ("good", "bad"),
    ("add include insert attach", "remove delete exclude detach subtract erase"),
    ("benefit advantage pro upside strength", "drawback disadvantage con downside weakness"),
    ("accept approve agree allow permit grant", "reject decline refuse deny ban forbid prohibit disallow"),
    ("lock", "unlock"),
    ("buy purchase", "sell"),
    ("lend", "borrow"),
    ("import", "export"),
    ("upload", "download"),
    ("deposit pay", "withdraw"),
    ("enrol enroll join subscribe register", "withdraw leave unsubscribe unregister"),
    ("send", "receive"),
    ("give", "take"),
    ("win won", "lose lost"),
    ("early earlier earliest", "late later latest"),
    ("before prior", "after following"),
    ("first initial", "last final"),
    ("next following upcoming", "last previous past"),
    ("above over", "below under beneath"),
    ("hot warm hotter", "cold cool colder"),
    ("high highest", "low lower lowest"),
    ("long longer longest", "short shorter shortest"),
    ("big biggest large largest great greatest", "small smallest little tiny"),
    ("fast quick rapid faster quickest fastest", "slow slower slowest"),
    ("old older oldest", "new newer newest young younger"),
    ("cheap cheaper cheapest inexpensive", "expensive costly dear"),
    ("light lighter", "heavy heavier dark darker"),
    ("easy easier simple", "hard harder difficult"),
    ("safe safer harmless", "dangerous harmful risky toxic"),
    ("full", "part partial empty"),
    ("public", "private"),
    ("internal", "external"),
    ("domestic home local national", "international foreign overseas abroad"),
    ("left", "right"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("man male men boy gentleman", "woman female women girl lady"),
    ("husband", "wife"),
    ("father dad", "mother mum mom"),
    ("son", "daughter"),
    ("brother", "sister"),
    ("adult grown-up", "child kid children baby infant toddler minor junior"),
    ("alive living", "dead deceased"),
    ("true correct right", "false wrong incorrect"),
    ("pass succeed success", "fail failure"),
    ("love like", "hate dislike"),
    ("push", "pull"),
    ("arrive arrival arriving", "depart departure leave"),
    ("enter entry entrance", "exit"),
    ("gain", "lose loss"),
    ("profit", "loss"),
    ("credit", "debit"),
    ("asset", "liability"),
    ("income", "expense expenditure"),
    ("inbound incoming", "outbound outgoing"),
    ("ascending", "descending"),
    ("vertical", "horizontal"),
    ("online digital electronic", "offline in-person paper"),
    ("permanent", "temporary"),
    ("single", "joint double married multiple"),
    ("fixed", "variable"),
    ("gross", "net"),
    ("always", "never"),
    ("everything everyone all", "nothing nobody none"),
    ("day", "night"),
    ("encrypt", "decrypt"),
    ("encode", "decode"),
    ("compress", "decompress extract"),
    ("install", "uninstall"),
    ("connect", "disconnect"),
    ("hide", "show reveal"),
    ("cause", "cure prevent treat"),
    ("employer", "employee worker staff"),
    ("employed", "unemployed self-employed"),
    ("tenant renter", "landlord"),
    ("teacher", "student pupil"),
    ("buyer", "seller"),
    ("doctor", "patient"),
    ("undergraduate bachelor", "postgraduate graduate master"),
    ("input", "output"),
    ("read", "write"),
    ("client", "server"),
    ("sender", "recipient receiver"),
    ("debtor", "creditor"),
    ("question", "answer"),
    ("rise rising", "fall falling"),
    ("strong stronger", "weak weaker"),
    ("rich", "poor"),
    ("major", "minor"),
    ("eat drink consume", "avoid"),
    ("keep", "cancel discard delete"),
    ("wet", "dry"),
    ("raw", "cooked"),
    ("married", "unmarried divorced widowed"),
];

/// Kinds of which one thing is not another: a text about one of a kind is not about another of it.
pub(super) const KINDS: &[&str] = &[
    // How many of them.
    "all/every/each/entire/whole/both some/few half",
    // Colours.
    "red orange yellow green blue purple violet pink brown black white grey/gray gold silver",
    // Animals, and meat.
    "dog puppy cat kitten horse cow pig sheep goat rabbit hamster bird parrot fish chicken beef pork lamb turkey duck
     salmon tuna prawn mouse rat snake tortoise",
    // Food and drink.
    "apple banana pear grape lemon lime rice pasta bread potato tomato onion carrot cheese milk butter egg coffee tea
     beer wine water juice sugar salt honey chocolate",
    // Meals.
    "breakfast lunch dinner/supper brunch",
    // Parts of a body.
    "head neck shoulder arm elbow wrist hand finger chest stomach hip leg knee ankle foot toe eye ear nose mouth tooth
     skin heart liver kidney lung brain",
    // Vehicles and journeys.
    "car/automobile van lorry/truck bus/coach train tram bike/bicycle motorbike/motorcycle plane/flight ship/boat/ferry
     taxi/cab",
    // Buildings and their parts.
    "house flat/apartment bungalow office shop garage shed hotel hostel restaurant hospital school library",
    "kitchen bathroom bedroom lounge attic/loft basement/cellar hallway",
    // Devices and programs.
    "iphone android ipad laptop desktop mac/macos windows linux ubuntu chromebook kindle",
    "chrome firefox safari edge opera brave",
    "word excel powerpoint pdf csv json xml yaml html markdown docx xlsx png jpeg/jpg gif svg mp3 mp4 wav",
    "python java javascript typescript rust golang ruby php perl kotlin swift scala haskell c# c++",
    "mysql postgresql/postgres sqlite mongodb redis oracle",
    "http https ftp sftp ssh tcp udp",
    // People by their part in a matter.
    "student teacher parent guardian visitor guest resident tenant landlord employee employer contractor manager director
     supplier customer member pensioner apprentice volunteer",
    "husband wife son daughter father mother brother sister uncle aunt cousin grandmother grandfather nephew niece",
    "economy business premium",
    "bronze silver gold platinum diamond",
    // Languages and nations.
    "english french german spanish italian portuguese dutch polish russian chinese japanese korean arabic hindi turkish
     greek swedish norwegian danish finnish welsh scottish irish american british canadian australian indian mexican
     brazilian",
    "england scotland wales ireland britain/uk usa/america france germany spain italy portugal netherlands belgium
     switzerland austria poland russia ukraine china japan korea india pakistan australia canada mexico brazil argentina
     egypt nigeria kenya turkey greece sweden norway denmark finland iceland europe africa asia",
    // Arithmetic and measures.
    "add subtract multiply divide plus minus",
    "mean median mode",
    "length width height depth weight area volume",
    "celsius fahrenheit kelvin",
    "hourly daily weekly fortnightly monthly quarterly yearly/annually/annual",
    // Elements and planets.
    "hydrogen helium carbon nitrogen oxygen sodium chlorine iron copper zinc uranium",
    "mercury venus earth mars jupiter saturn uranus neptune pluto moon sun",
    // Sports and instruments.
    "football rugby cricket tennis golf hockey basketball baseball volleyball badminton swimming",
    "piano guitar violin cello drum flute trumpet clarinet saxophone",
];

/// Days and times that have names.
pub(super) const DATES: &str = "
    monday tuesday wednesday thursday friday saturday sunday weekday weekend january february april june july august
    september october november december today tomorrow yesterday tonight spring summer autumn winter christmas easter
    midnight noon midday morning afternoon evening fortnight overnight sameday nextday";

/// Numbers in words.
pub(super) const NUMBERS: &[(&str, u32)] = &[
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("dozen", 12),
    ("twice", 2),
    ("double", 2),
    ("thrice", 3),
    ("triple", 3),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("sixth", 6),
    ("seventh", 7),
    ("eighth", 8),
    ("ninth", 9),
    ("tenth", 10),
];

/// What a number before it is multiplied by.
pub(super) const MAGNITUDES: &[(&str, f64)] = &[
    ("hundred", 1e2),
    ("thousand", 1e3),
    ("k", 1e3),
    ("million", 1e6),
    ("mn", 1e6),
    ("billion", 1e9),
    ("bn", 1e9),
    ("trillion", 1e12),
];

/// Units: all words of a line are one, and the first is its name.
pub(super) const UNITS: &[&str] = &[
    "% percent percentage pct",
    "£ gbp pound quid sterling",
    "$ usd dollar buck",
    "€ eur euro",
    "¥ jpy yen",
    "₹ inr rupee",
    "am",
    "pm",
    "kg kilogram kilo kilogramme",
    "g gram gramme",
    "mg milligram",
    "lb lbs",
    "oz ounce",
    "stone",
    "ton tonne",
    "km kilometre kilometer",
    "mile mi",
    "m metre meter",
    "cm centimetre centimeter",
    "mm millimetre millimeter",
    "inch",
    "ft foot feet",
    "yard yd",
    "l litre liter",
    "ml millilitre milliliter",
    "gallon gal",
    "pint",
    "tb terabyte",
    "gb gigabyte gig",
    "mb megabyte meg",
    "kb kilobyte",
    "byte",
    "bit",
    "mbps",
    "gbps",
    "hz",
    "khz",
    "mhz",
    "ghz",
    "w watt",
    "kw kilowatt",
    "kwh",
    "v volt",
    "mah",
    "year yr",
    "month mth",
    "week wk",
    "day",
    "hour hr h hrs",
    "minute",
    "second sec s",
    "ms millisecond",
    "°c celsius",
    "°f fahrenheit",
    "mph",
    "kph",
    "px pixel",
    "p pence penny",
    "cent",
    "degree °",
];

/// Words of the most common other languages of the same script that are no English ones.
pub(super) const FOREIGN: &str = "
    der das und ist nicht ein eine einen ich wie kann mein meine wir sie für mit auf von zu dem den les des une est pas
    je ne que qui quoi comment pour dans mon ma mes votre où el los las una es por para como cómo qué mi mis puedo
    dónde il lo gli che non sono posso come mio mia per di della del o os um uma não eu meu minha onde het een ik niet
    hoe kan mijn van voor met og ikke jag inte hur det är på jak nie się czy nasıl bir için ve";

/// What is written in one word and means two.
pub(super) const CONTRACTIONS: &[(&str, &[&str])] = &[
    ("cannot", &["can", "not"]),
    ("cant", &["can", "not"]),
    ("dont", &["do", "not"]),
    ("wont", &["will", "not"]),
    ("isnt", &["is", "not"]),
    ("arent", &["are", "not"]),
    ("doesnt", &["does", "not"]),
    ("didnt", &["did", "not"]),
    ("hasnt", &["has", "not"]),
    ("havent", &["have", "not"]),
    ("couldnt", &["could", "not"]),
    ("wouldnt", &["would", "not"]),
    ("shouldnt", &["should", "not"]),
    ("wasnt", &["was", "not"]),
    ("im", &["i", "am"]),
    ("ive", &["i", "have"]),
    ("whats", &["what", "is"]),
    ("hows", &["how", "is"]),
    ("wheres", &["where", "is"]),
    ("whos", &["who", "is"]),
];
