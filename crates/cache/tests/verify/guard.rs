use dashpot_cache::verify::{Refused, guard::check};
use proptest::prelude::*;

/// Both ways round, since the order must not matter.
fn rule(a: &str, b: &str) -> Option<&'static str> {
    let there = check(a, b).err().map(|refused| refused.rule);
    let back = check(b, a).err().map(|refused| refused.rule);
    assert_eq!(there, back, "{a} | {b}");
    there
}

#[test]
fn what_marks_one_thing_is_a_name_however_it_is_written() {
    let long = |letters: &str| format!("what is the preimage of {}", letters.repeat(32));
    for (a, b) in [
        ("is part a1b2c3 in stock?", "is part a1b2c4 in stock?"),
        ("what does error e14 mean?", "what does error e13 mean?"),
        ("Is Part a1b2c3 In Stock Now?", "Is Part a1b2c4 In Stock Now?"),
        (&long("abcd"), &long("abce")),
        (&long("ab1d"), &long("ab1e")),
    ] {
        assert_eq!(rule(a, b), Some("name"), "{a} {b}");
    }
    assert_eq!(rule("is part a1b2c3 in stock?", "is the part a1b2c3 in stock"), None);
}

/// To an embedder that knows none of them, all mean the same.
#[test]
fn a_symbol_is_no_other_symbol() {
    let rule = |a, b| check(a, b).err().map(|refused| refused.rule);
    for (a, b) in [
        ("Is 😀 rude?", "Is 😡 rude?"),
        ("What is the capital of 🇩🇪?", "What is the capital of 🇫🇷?"),
        ("👍", "👎"),
        ("👍🏻", "👍🏿"),
        ("What does → mean?", "What does ← mean?"),
        ("What does ∑ mean?", "What does ∏ mean?"),
        ("What does ☑ mean?", "What does it mean?"),
        ("Is 💊 with 🍷 safe?", "Is 💊 safe?"),
    ] {
        assert_eq!((rule(a, b), rule(b, a)), (Some("sign"), Some("sign")), "{a} {b}");
    }
    for (a, b) in [
        ("Is a ❤\u{fe0f} red?", "Is a ❤ red?"),
        ("What’s a café – really…", "What's a cafe\u{301} really"),
        ("How much is 5 €?", "How much is 5€?"),
    ] {
        assert_eq!(rule(a, b).filter(|rule| *rule == "sign"), None, "{a} {b}");
    }
}

#[test]
fn what_differs_outright_is_refused_by_its_rule() {
    for (expected, a, b) in [
        ("code", "What does `a.map(f)` do?", "What does `a.filter(f)` do?"),
        ("code", "What is in /etc/passwd/ here?", "What is in /etc/shadow/ here?"),
        ("code", "Is user_id unique?", "Is order_id unique?"),
        ("code", "Summarize https://a.example/1", "Summarize https://a.example/two"),
        ("code", "How old is C#?", "How old is C++?"),
        ("code", "What does ls -l print?", "What does ls -a print?"),
        ("quote", "Translate \"good\" to French", "Translate \"well\" to French"),
        ("quote", "Who said “to be”?", "Who said “not to be”?"),
        ("sign", "What is 3 + 4?", "What is 3 - 4?"),
        ("sign", "Solve x > 3", "Solve x < 3"),
        ("number", "What is 15% of 200?", "What is 50% of 200?"),
        ("number", "Is 1.5 enough?", "Is 15 enough?"),
        ("number", "Who won in 2014?", "Who won in 2018?"),
        ("number", "How many fit in a box?", "How many fit in 3 boxes?"),
        ("number", "A table for two", "A table for twelve"),
        ("number", "Trains for 2 adults and 3 children", "Trains for 3 adults and 2 children"),
        ("number", "From the 3rd to the 5th", "From the 5th to the 3rd"),
        ("number", "Is version 1.2.3 safe?", "Is version 1.2.4 safe?"),
        ("number", "20 thousand steps", "20 million steps"),
        ("unit", "Remind me at 7am", "Remind me at 7pm"),
        ("unit", "How far is 10 km?", "How far is 10 miles?"),
        ("unit", "What is $30 worth?", "What is €30 worth?"),
        ("unit", "Is 20% a lot?", "Is 20 a lot?"),
        ("date", "Are you open on Saturday?", "Are you open on Sunday?"),
        ("date", "What is on tomorrow?", "What is on today?"),
        ("date", "Is it warm in May?", "Is it warm in June?"),
        ("negation", "Cancel my subscription", "Don't cancel my subscription"),
        ("negation", "Can I go with a visa?", "Can I go without a visa?"),
        ("negation", "Which foods should I eat?", "Which foods should I avoid?"),
        ("negation", "Why does it work?", "Why doesnt it work?"),
        ("opposite", "How do I turn it on?", "How do I turn it off?"),
        ("opposite", "How do I mute the call?", "How do I unmute the call?"),
        ("opposite", "What are the benefits of tea?", "What are the drawbacks of tea?"),
        ("opposite", "Is the path legal?", "Is the path illegal?"),
        ("scope", "Explain friction", "Explain friction in detail"),
        ("opposite", "Move it vertically", "Move it horizontally"),
        ("opposite", "The highest peak?", "The lowest peak?"),
        ("kind", "Is the chicken spicy?", "Is the beef spicy?"),
        ("kind", "Why is the red light on?", "Why is the blue light on?"),
        ("kind", "Show all invoices", "Show some invoices"),
        ("kind", "Is it safe during pregnancy?", "Is it safe after pregnancy?"),
        ("kind", "What is on this week?", "What is on last week?"),
        ("kind", "Hotels in the harbour", "Hotels near the harbour"),
        ("opposite", "Arguments for the plan", "Arguments against the plan"),
        ("owner", "Can I bring a bag?", "Can she bring a bag?"),
        ("scope", "Give it 5 years", "Give it at least 5 years"),
        ("scope", "Who can enter?", "Who only can enter?"),
        ("scope", "Delete everything except photos", "Delete everything, and photos"),
        ("name", "Is there a store in Berlin?", "Is there a store in Bremen?"),
        ("name", "Ask Mary for it", "Ask Mark for it"),
        ("name", "Is the PS4 loud?", "Is the PS5 loud?"),
        ("order", "Flights from Rome to Oslo", "Flights from Oslo to Rome"),
        ("order", "Turn a picture into a sketch", "Turn a sketch into a picture"),
        ("order", "Is tea healthier than coffee?", "Is coffee healthier than tea?"),
        ("order", "Did the dog bite the man?", "Did the man bite the dog?"),
        ("order", "Does the teacher like the student?", "Does the student like the teacher?"),
        ("order", "A letter to my aunt", "A letter from my aunt"),
        ("question", "Where is the meeting?", "When is the meeting?"),
        ("question", "Who pays for it?", "Why pay for it?"),
        ("question", "How does it work?", "Why does it work?"),
        ("question", "How do I pay?", "How much do I pay?"),
        ("question", "When do I renew it?", "How do I renew it?"),
        ("owner", "What is your name?", "What is my name?"),
        ("tense", "What is the price of gold?", "What was the price of gold?"),
        ("duty", "Must I bring a bag?", "May I bring a bag?"),
        ("choice", "Tea and cake", "Tea or cake"),
        ("language", "Wie spät ist es und warum?", "Wie spät war es und warum?"),
        ("language", "今天天气很好", "今天天气不好"),
    ] {
        assert_eq!(rule(a, b), Some(expected), "{a} | {b}");
    }
}

#[test]
fn what_hides_in_small_words_and_signs_is_refused() {
    for (expected, a, b) in [
        ("number", "It weighs 1,5 tons", "It weighs 15 tons"),
        ("number", "Is 3.10 the newest?", "Is 3.1 the newest?"),
        ("number", "What does error 0042 mean?", "What does error 42 mean?"),
        ("number", "A third of the cake", "Three of the cake"),
        ("number", "Feeds a hundred", "Feeds a thousand"),
        ("number", "What is two plus two plus two?", "What is two plus two?"),
        ("sign", "Is it safe at -5 degrees?", "Is it safe at 5 degrees?"),
        ("unit", "Its height in metres", "Its height in feet"),
        ("number", "What happened in the 1990s?", "What happened in 1990?"),
        ("name", "Is x² large?", "Is x³ large?"),
        ("name", "Is it the letter é?", "Is it the letter ê?"),
        ("name", "Is the site of раypal a safe one?", "Is the site of paypal a safe one?"),
        ("kind", "What is the first rule?", "What is the second rule?"),
        ("kind", "Is it often windy?", "Is it rarely windy?"),
        ("kind", "How do I make it?", "How do I get it?"),
        ("kind", "What do cats like?", "What do cats need?"),
        ("opposite", "What causes hypertension?", "What causes hypotension?"),
        ("opposite", "Is the river wide?", "Is the river narrow?"),
        ("order", "How do I take a from b?", "How do I take b from a?"),
        ("order", "Who did Brazil beat?", "Who beat Brazil?"),
        ("order", "Was France invaded by Germany?", "Did France invade Germany?"),
        ("order", "A book by Einstein", "A book about Einstein"),
        ("order", "How many grams are in an ounce?", "How many ounces are in a gram?"),
        ("order", "Do I owe him?", "Does he owe me?"),
        ("order", "Is it quarter past 5?", "Is it quarter to 5?"),
        ("negation", "Why did Anna say Tom did not call?", "Why did Anna not say Tom did call?"),
        ("scope", "Can I spend more than my limit?", "Can I spend up to my limit?"),
        ("scope", "Is it as big as a cat?", "Is it bigger than a cat?"),
        ("date", "In the morning, when do you open?", "In the evening, when do you open?"),
        ("tense", "Is it raining there?", "Will it rain there?"),
        ("tense", "Has my parcel been sent?", "Will my parcel be sent?"),
        ("question", "What is it made of?", "Where is it made of?"),
        ("question", "Why is the sky blue?", "Is the sky blue?"),
        ("question", "Why is tea better?", "Which tea is better?"),
        ("question", "How many people live there?", "Which people live there?"),
        ("question", "Whose phone is this?", "Who is on this phone?"),
        ("question", "How old is the bridge?", "How long is the bridge?"),
        ("code", "What does a && b do?", "What does a || b do?"),
        ("code", "Is :) rude?", "Is :( rude?"),
        ("code", "What does ! mean?", "What does ? mean?"),
        ("quote", "What is the word 'affect'?", "What is the word 'effect'?"),
        ("sign", "Reset it", "Reset\u{202e} it"),
        ("sign", "Reset it", "Reset it\u{fe01}\u{fe05}"),
        ("language", "ma\u{301} la gi ba ôi", "ma\u{300} la gi ba ôi"),
        ("language", "Welche Farbe hat Blut?", "Welche Farbe hat Gras?"),
        ("language", "Konto löschen", "Konto sperren"),
        ("language", "Is das Brot?", "Is das Wurst?"),
        // A fifth of its letters are no Latin ones.
        ("language", "Is the word привет nice to say?", "Is that word привет nice to say?"),
        ("language", "Quiero comprar papas", "Quiero comprar papás"),
    ] {
        assert_eq!(rule(a, b), Some(expected), "{a} | {b}");
    }
}

#[test]
fn what_only_looks_like_a_difference_passes() {
    for (a, b) in [
        ("Was Hamlet written by him?", "Did he write Hamlet?"),
        ("Can I pay by card?", "Can I pay with a card?"),
        ("Good morning, when do you open?", "When do you open?"),
        ("Evening all, when do you open?", "When do you open?"),
        ("What is the best time for it?", "When is the best time for it?"),
        ("How much does it cost?", "What does it cost?"),
        ("How big is it?", "How large is it?"),
        ("When will you open tomorrow?", "When do you open tomorrow?"),
        ("The price of a ticket", "The price for a ticket"),
        ("Salt & pepper", "Salt and pepper"),
        ("Don't you 'like' it?", "Do you not 'like' it?"),
        ("Is it 5.00?", "Is it 5?"),
        ("Is it 05:30?", "Is it 5:30?"),
        ("1,000,000 people", "1000000 people"),
        ("Where is the café?", "Where is the cafe?"),
        ("Why won't it open?", "Why will it not open?"),
        ("Why isn't my card valid?", "Why is my card not valid?"),
        ("A flight to Oslo and one from Oslo", "A flight from Oslo"),
        ("Do cats and dogs play?", "Do dogs and cats play?"),
        ("Should I see a or b?", "May I see a or b? How should I?"),
    ] {
        assert_eq!(rule(a, b), None, "{a} | {b}");
    }
}

#[test]
fn what_is_said_in_other_words_passes() {
    for (a, b) in [
        ("How do I reset my password?", "how do i reset my password"),
        ("How do I reset my password?", "Hi, quick question: how can I reset my password, please?"),
        ("HOW DO I RESET MY PASSWORD?", "How do I reset my password?"),
        ("Good morning! When does it open?", "When does it open?"),
        ("A table for 2", "A table for two"),
        ("It costs 1,000 dollars", "It costs $1000"),
        ("It costs 20k", "It costs 20,000"),
        ("Is it twenty-five?", "Is it 25?"),
        ("It weighs 5kg", "It weighs 5 kilograms"),
        ("May an 18-year-old vote?", "May one vote at 18?"),
        ("How do I set up 2FA?", "How do I set up two-factor authentication?"),
        ("Where is the wi-fi?", "Where is the wifi?"),
        ("I can't log in", "I cannot log in"),
        ("Why isn't it there?", "Why is it not there?"),
        ("What's the price for non-members?", "What's the price if I'm not a member?"),
        ("The colour of the centre", "The color of the center"),
        ("On the menu, what vegan dishes are there?", "What vegan dishes are there on the menu?"),
        ("A ticket from Rome to Oslo", "A ticket to Oslo from Rome"),
        ("2 adults and 3 children", "3 children and 2 adults"),
        ("Do You Ship To Norway?", "Do you ship to Norway?"),
        ("What does `ls` do?", "What is it that `ls` does?"),
        ("Wie spät ist es und warum?", "wie spät ist es und warum"),
        ("How should I store bread?", "How can I store bread?"),
        ("When do you open?", "At what time do you open?"),
        ("", ""),
    ] {
        assert_eq!(rule(a, b), None, "{a} | {b}");
    }
}

#[test]
fn every_rule_that_refuses_has_a_name_in_the_list() {
    assert!(Refused::RULES.contains(&rule("It is 1", "It is 2").unwrap()));
    assert_eq!(
        check("It is 3", "It is 4").unwrap_err().to_string(),
        "the texts differ by the rule of number"
    );
}

/// What a text is made of that is hard to read.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        any::<String>(),
        "[a-z]{1,8}",
        "[0-9]{1,40}[.,]?[0-9]{0,3}(st|pm|k|%)?",
        prop::sample::select(vec![
            "not", "don't", "one", "million", "from", "to", "`", "```", "\"", "“", "”", "'", "’s", "May",
            "hi,", "2FA", "US", "不", "İ", "ß", "ﬁ", "-", "/", "\u{301}", "(", ")", "$",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn any_text_says_what_it_says(text in text()) {
        prop_assert_eq!(check(&text, &text), Ok(()));
    }

    #[test]
    fn the_order_of_two_texts_makes_no_difference(a in text(), b in text()) {
        prop_assert_eq!(check(&a, &b), check(&b, &a));
    }
}

#[test]
fn long_texts_are_read_to_their_end() {
    // Squared, these would take much longer.
    for piece in [
        "word ",
        "the, ",
        "AB ",
        "1 ",
        "`",
        "\"",
        "(",
        "-",
        "a'",
        "1.",
        "from x to y ",
        "不",
        "x/",
        "İ",
        "$",
        "hi, ",
    ] {
        let text = piece.repeat((16 << 10) / piece.len());
        assert_eq!(check(&text, &text), Ok(()), "{piece:?}");
        assert!(check(&text, &format!("{text} 2 not Berlin")).is_err(), "{piece:?}");
    }
}
