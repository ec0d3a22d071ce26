// SPDX-License-Identifier: Apache-2.0
//! Source text, a mutant of it, and the text with the mutant behind its switch.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::edit::edit;
use crate::list::{Genre, Mutant, Position, Span};

/// The mutant that replaces the text between `«` and `»`, and the text without these marks.
fn marked(source: &str, genre: Genre, replacement: &str) -> (String, Mutant) {
    let position = |mark: char| {
        let before = source.split(mark).next().unwrap().replace('«', "");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        Position { line, column }
    };
    let span = Span { start: position('«'), end: position('»') };
    let mutant =
        Mutant { file: String::new(), genre, name: String::new(), replacement: replacement.to_owned(), span };
    (source.replace(['«', '»'], ""), mutant)
}

#[test]
fn a_mutant_stands_behind_its_switch() {
    use Genre::{BinaryOperator, FnValue, MatchArm, MatchArmGuard, StructField, UnaryOperator};
    let is = "crate::mutant::is(1)";
    for (source, genre, replacement, expected) in [
        ("fn f() -> u8 { «7» }", FnValue, "0", "fn f() -> u8 { if IS { return 0; } 7 }"),
        ("fn f() { fn g() { «h()» } }", FnValue, "()", "fn f() { fn g() { if IS { return (); } h() } }"),
        ("fn f() { «fn g() { h() }» }", FnValue, "()", "fn f() { if IS { return (); } fn g() { h() } }"),
        ("fn f() { a «<» b }", BinaryOperator, ">", "fn f() { (if IS { (a > b) } else { (a < b) }) }"),
        ("fn f() { a «-=» b; }", BinaryOperator, "+=", "fn f() { (if IS { (a += b) } else { (a -= b) }); }"),
        // What belongs to what changes with the operator.
        (
            "fn f() { a - b «*» c }",
            BinaryOperator,
            "+",
            "fn f() { (if IS { (a - b + c) } else { (a - b * c) }) }",
        ),
        (
            "fn f() { a «-» b < c }",
            BinaryOperator,
            "+",
            "fn f() { (if IS { (a + b) } else { (a - b) }) < c }",
        ),
        (
            "fn f() { (a) && g(b «==» c) }",
            BinaryOperator,
            "!=",
            "fn f() { (a) && g((if IS { (b != c) } else { (b == c) })) }",
        ),
        // Names that a chain binds end with it: the switch stands within it, or nowhere.
        (
            "fn f() { if let Some(a) = b && a «<» c {} }",
            BinaryOperator,
            ">",
            "fn f() { if let Some(a) = b && (if IS { (a > c) } else { (a < c) }) {} }",
        ),
        ("fn f() { if let Some(a) = b «&&» c {} }", BinaryOperator, "||", ""),
        (
            "fn f() { «!»a.b() && c }",
            UnaryOperator,
            "",
            "fn f() { (if IS { ( a.b()) } else { (!a.b()) }) && c }",
        ),
        (
            "fn f() { match a { «B => 1,» _ => 2 } }",
            MatchArm,
            "",
            "fn f() { match a { B if (!IS && ((true))) => 1, _ => 2 } }",
        ),
        (
            "fn f() { match a { «B if c => 1,» _ => 2 } }",
            MatchArm,
            "",
            "fn f() { match a { B if (!IS && ((c))) => 1, _ => 2 } }",
        ),
        (
            "fn f() { match a { B if «c» => 1, _ => 2 } }",
            MatchArmGuard,
            "true",
            "fn f() { match a { B if ((IS || (c))) => 1, _ => 2 } }",
        ),
        (
            "fn f() { match a { B if «c» => 1, _ => 2 } }",
            MatchArmGuard,
            "false",
            "fn f() { match a { B if (((!IS && c))) => 1, _ => 2 } }",
        ),
        (
            "fn f() { S { «a: 1,» ..b } }",
            StructField,
            "",
            "fn f() { (if IS { (S { ..b }) } else { (S { a: 1, ..b }) }) }",
        ),
        // A constant cannot ask; a function that need not be one can.
        ("const fn f() -> u8 { «7» }", FnValue, "0", " fn f() -> u8 { if IS { return 0; } 7 }".trim_start()),
        ("fn f() { const A: u8 = 1 «+» 2; }", BinaryOperator, "-", ""),
        // Columns are characters.
        (
            "fn f() { 'é' «==» b }",
            BinaryOperator,
            "!=",
            "fn f() { (if IS { ('é' != b) } else { ('é' == b) }) }",
        ),
    ] {
        let (text, mutant) = marked(source, genre, replacement);
        let edited = edit(&text, [(1, &mutant)].into_iter()).unwrap();
        if expected.is_empty() {
            assert_eq!((edited.text, edited.left), (text, vec![1]), "{source}");
            continue;
        }
        assert_eq!(
            edited.text.replace(is, "IS").split_whitespace().collect::<Vec<_>>().join(" "),
            expected,
            "{source}"
        );
        syn::parse_file(&edited.text).unwrap();
        let region = edited.regions.first().unwrap();
        assert!(
            region.whole.start <= region.changed.start && region.changed.end <= region.whole.end,
            "{source}"
        );
    }
}

#[test]
fn mutants_nest() {
    let source = "fn f() { match a { B if !c && d => { e < 1 } _ => true } }";
    let all: Vec<Mutant> = [
        ("fn f() { «match a { B if !c && d => { e < 1 } _ => true }» }", Genre::FnValue, "true"),
        ("fn f() { match a { «B if !c && d => { e < 1 }» _ => true } }", Genre::MatchArm, ""),
        ("fn f() { match a { B if «!c && d» => { e < 1 } _ => true } }", Genre::MatchArmGuard, "true"),
        ("fn f() { match a { B if «!c && d» => { e < 1 } _ => true } }", Genre::MatchArmGuard, "false"),
        ("fn f() { match a { B if !c «&&» d => { e < 1 } _ => true } }", Genre::BinaryOperator, "||"),
        ("fn f() { match a { B if «!»c && d => { e < 1 } _ => true } }", Genre::UnaryOperator, ""),
        ("fn f() { match a { B if !c && d => { e «<» 1 } _ => true } }", Genre::BinaryOperator, "=="),
        ("fn f() { match a { B if !c && d => { e «<» 1 } _ => true } }", Genre::BinaryOperator, ">"),
    ]
    .into_iter()
    .map(|(source, genre, replacement)| marked(source, genre, replacement).1)
    .collect();
    let edited = edit(source, (1..).zip(&all)).unwrap();
    assert!(edited.left.is_empty());
    let text = edited.text.replace("crate::mutant::is", "is");
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>().join(" "),
        "fn f() { if is(1) { return true; } match a { B if (!is(2) && (is(3) || (!is(4) && (if is(5) { (!c || d) } else { \
         ((if is(6) { ( c) } else { (!c) }) && d) })))) => { (if is(7) { (e == 1) } else if is(8) { (e > 1) } else { (e < 1) }) } \
         _ => true } }"
    );
}
