use super::{Example, blocks};

#[test]
fn info_strings_say_what_a_block_is() {
    let page = "```console\n$ a\n```\n```msb accept\nx\n```\n```msb reject MSB0201\n```\n```msb file=a.msb\n```\n```sh\n```\n";
    let found: Vec<_> =
        blocks(page).expect("all are known").into_iter().map(|b| (b.line, b.example)).collect();
    let expected = [
        (1, Example::Console),
        (4, Example::Accept),
        (7, Example::Reject("MSB0201".to_owned())),
        (9, Example::File("a.msb".to_owned())),
        (11, Example::None),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_misspelt_kind_is_an_error_and_not_a_test_less() {
    for info in ["msb", "msb acept", "msb reject", "msb,ignore", "console ignore", "console,ignore"] {
        let refused = blocks(&format!("text\n```{info}\n```\n")).expect_err(info);
        assert!(refused.starts_with("line 2: "), "{refused}");
    }
}

#[test]
fn an_open_fence_is_an_error() {
    assert_eq!(blocks("\n```sh\nx\n"), Err("line 2: the block is never closed".to_owned()));
}
