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
    "only solely exclusively except excluding unless instead besides otherwise apart else least
    detail briefly concisely shortly thoroughly";

/// Days and times that have names.
pub(super) const DATES: &str = "
    monday tuesday wednesday thursday friday saturday sunday weekday weekend january february april june july august
    september october november december today tomorrow yesterday tonight spring summer autumn winter christmas easter
    midnight noon midday morning afternoon evening fortnight overnight sameday nextday";

/// Words of the most common other languages of the same script that are no English ones.
pub(super) const FOREIGN: &str = "
    der das und ist nicht ein eine einen ich wie kann mein meine wir sie für mit auf von zu dem den les des
    une est pas je ne que qui quoi comment pour dans mon ma mes votre où el los las una es por para como cómo
    qué mi mis puedo dónde il lo gli che non sono posso come mio mia di della del o os um uma não eu meu
    minha onde het een ik niet hoe kan mijn van voor met og ikke jag inte hur det är på jak nie się czy nasıl
    bir için ve dein deine unser unsere welche welcher welches wo wann wer warum wieviel viel haben sind sein
    wird werden kein keine oder aber auch bei nach aus über unter zum zur ihr euch mich dich uns sich noch nur
    schon gibt macht le du aux avec sans sous cette ces sont être avoir fait quand combien quel quelle quels
    quelles leur nous vous ils elle elles mais ou peux puis ses chez en de sobre este esta ese eso está están
    tener hace cuándo cuánto cuántos cuánta quién cuál donde cuando cuanto quiero tengo puede nosotros ellos
    pero uno tra fra questo questa quello siamo hanno quando quanto quale perché voglio nas sem isso são
    ter fazer quem qual porque quero tenho você hoeveel waarom wanneer welke zijn hebben naar bij uit deze dit
    dat geen maar ook wordt kost och att som ett vad när vem varför hvor hvordan hvad hvem hvorfor hva når mår
    kiedy gdzie kto dlaczego jest są mam czyj missä milloin kuka miksi miten mikä ja ei minä jsem kde kdy
    proč hol mikor miért nerede zaman kaç mı";

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
