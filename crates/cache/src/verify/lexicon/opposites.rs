//! What cannot be true of one thing at once.

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
