use super::*;

fn words(text: &str) -> String {
    let code = code(text);
    assert_eq!(code.lines().count(), text.lines().count(), "lines move in {text:?}");
    tokens(&code).iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_are_no_code() {
    assert_eq!(words("a // b\nc /* d /* e\n */ f */ g //! h"), "a c g");
}

#[test]
fn literals_are_no_code() {
    assert_eq!(words(r#"a("b \" c", 'd', '"', '\'', '\u{e9}', 'é') e"#), "a ( , , , , , ) e");
    assert_eq!(words("a r\"b\\\" c r#\"d \" e\"# f br##\"g\"# h\"## i"), "a c f i");
}

#[test]
fn lifetimes_and_raw_identifiers_are_code() {
    assert_eq!(words("fn f<'a>(r#type: &'a str, b: u8)"), "fn f < ' a > ( r # type : & ' a str , b : u8 )");
}

#[test]
fn modules_know_where_they_are() {
    let code = code("mod a;\nmod b {\n  fn f() { }\n  pub mod c;\n}\n// mod d;\nmod e;\n");
    let module =
        |line, name, within: &[&'static str], inline| Module { line, name, within: within.to_vec(), inline };
    assert_eq!(
        modules(&tokens(&code)),
        [
            module(1, "a", &[], false),
            module(2, "b", &[], true),
            module(4, "c", &["b"], false),
            module(7, "e", &[], false)
        ]
    );
}
