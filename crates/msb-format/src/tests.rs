//! Text in, text out: what the style does, and what it never does.

use super::{difference, format, unformatted};
use msb_diag::FileId;
use msb_syntax::{ast, parse};

/// Formats `text`, holds the laws, and compares.
#[track_caller]
fn check(text: &str, expected: &str) {
    let formatted = format(text).unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!(formatted, expected);
    laws(text);
}

/// The tree without its positions.
fn shape(file: &ast::File) -> String {
    let debug = format!("{file:?}");
    let mut parts = debug.split("Span { file");
    let mut shape = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shape.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    shape
}

#[track_caller]
fn laws(text: &str) {
    let Ok(formatted) = format(text) else { return };
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "twice, of {text:?}");
    let tree = |text: &str| shape(&parse(FileId(0), text).0);
    assert_eq!(tree(&formatted), tree(text), "another meaning of {text:?}");
    assert!(formatted.lines().all(|line| line.trim_end() == line), "{formatted}");
}

#[test]
fn the_authors_columns_stay() {
    for text in [
        include_str!("../../../policy-lang/examples/ci-job.msb"),
        include_str!("../../../policy-lang/examples/code-interpreter.msb"),
        include_str!("../../../policy-lang/examples/coding-agent.msb"),
        include_str!("../../../policy-lang/examples/data-analysis.msb"),
        include_str!("../../../policy-lang/examples/hello-agent.msb"),
        include_str!("../../../policy-lang/examples/mcp-server.msb"),
        include_str!("../../../policy-lang/examples/web-research.msb"),
        include_str!("../../../policy-lang/std/base.msb"),
        include_str!("../../../policy-lang/std/python.msb"),
        include_str!("../../../policy-lang/std/workspace.msb"),
    ] {
        check(text, text);
        assert_eq!(unformatted(FileId(0), text), None);
    }
}

/// Whatever the examples' white space is made into, it comes out as if typed well, and means the same.
#[test]
fn crooked_examples_are_made_straight() {
    for text in EXAMPLES {
        laws(&text.replace('\n', "\r\n"));
        laws(&text.replace("  ", "\t"));
        laws(&text.replace("  ", "     "));
        laws(&text.replace('{', "\n{\n").replace('}', "\n}\n"));
        laws(&text.replace("(\n", "(").replace('(', "(\n").replace(')', "\n)"));
        laws(&text.replace(", ", ",\n"));
        laws(&text.replace(", ", ", # why\n\n\n"));
        let no_comments: String = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .fold(String::new(), |a, b| a + " " + b);
        laws(&no_comments);
    }
}

const EXAMPLES: [&str; 8] = [
    include_str!("../../../policy-lang/examples/ci-job.msb"),
    include_str!("../../../policy-lang/examples/code-interpreter.msb"),
    include_str!("../../../policy-lang/examples/coding-agent.msb"),
    include_str!("../../../policy-lang/examples/data-analysis.msb"),
    include_str!("../../../policy-lang/examples/mcp-server.msb"),
    include_str!("../../../policy-lang/examples/web-research.msb"),
    include_str!("../../../policy-lang/conformance/accept/syntax-everything.msb"),
    include_str!("../../../policy-lang/conformance/accept/syntax-comments.msb"),
];

#[test]
fn spaces_between_tokens() {
    check(
        "edition   2026 policy p(a:dir,b : int( 1 .. 5 ,in{1,2})=3)extends  q . r( x:[ 1,2 ] ){include std . base( v:\"1\" )\nnet   none}",
        "edition 2026\n\npolicy p(a: dir, b: int(1..5, in {1, 2}) = 3) extends q.r(x: [1, 2]) {\n  include std.base(v: \"1\")\n  net none\n}\n",
    );
    check(
        "edition 2026\ngroup @g=@a+{read,write}-(exit&@b)\nconst c:list<int>=[1]\npolicy p{syscalls{allow(a+b)where not(x==1 or(y>= 2))on x86_64|aarch64,syscall ( 300 )}}",
        "edition 2026\ngroup @g = @a + {read, write} - (exit & @b)\nconst c: list<int> = [1]\n\npolicy p { syscalls { allow (a + b) where not (x == 1 or (y >= 2)) on x86_64 | aarch64, syscall(300) } }\n",
    );
    check(
        "edition 2026\npolicy p{net{allow tcp any : 80 .. 90,tcp $h:{ 1,2 }  total rate 1/s burst 2}tool t(a?:{x:\"a\"|\"b\"},c:list<list<int>>(0..3)=5)->{ok:bool}}",
        "edition 2026\n\npolicy p { net { allow tcp any:80..90, tcp $h:{1, 2}  total rate 1/s burst 2 }  tool t(a?: {x: \"a\" | \"b\"}, c: list<list<int>>(0..3) = 5) -> {ok: bool} }\n",
    );
    check("edition 2026\npolicy p{}\npolicy q{ \n }", "edition 2026\n\npolicy p {}\n\npolicy q {}\n");
}

#[test]
fn lines_and_blank_lines() {
    check(
        "\n\n# head\nedition 2026\n\n\n\n# of p\n## doc\n\npolicy p\n{\n\n\nnet none # why\n\n\n\ncaps none\n\n}\n\n\n# end\n\n",
        "# head\nedition 2026\n\n# of p\n## doc\npolicy p {\n  net none  # why\n\n  caps none\n}\n\n# end\n",
    );
    check(
        "edition 2026\npolicy p {\n fs { read /a\n read /b } net none limits { memory 1GiB pids 5\n cpu 1 } }",
        "edition 2026\n\npolicy p {\n  fs {\n    read /a\n    read /b\n  }\n  net none\n  limits {\n    memory 1GiB  pids 5\n    cpu 1\n  }\n}\n",
    );
    check(
        "edition 2026\npolicy p(\n a: dir,\n b: dir) {\n fs {\n read /a,\n /b # x\n }\n}",
        "edition 2026\n\npolicy p(\n  a: dir,\n  b: dir\n) {\n  fs {\n    read /a,\n      /b  # x\n  }\n}\n",
    );
    check(
        "edition 2026\npolicy p { # behind {\n# alone }\n##  doc\n fs { ##bare\n read /a # end\n}}",
        "edition 2026\n\npolicy p {  # behind {\n  # alone }\n  ##  doc\n  fs {\n    ## bare\n    read /a  # end\n  }\n}\n",
    );
    check("\u{feff}edition 2026\r\n\tpolicy p { }\r\n", "edition 2026\n\npolicy p {}\n");
}

#[test]
fn columns() {
    let policy = |rules: &str| format!("edition 2026\n\npolicy p {{\n{rules}}}\n");
    let fs = |rules: &str| policy(&format!("  fs {{\n{rules}  }}\n"));
    // One wide gap behind a verb makes a column of all.
    check(
        &fs("    read     /a\n    overlay /b\n    deny read ~/.ssh\n"),
        &fs("    read    /a\n    overlay /b\n    deny    read ~/.ssh\n"),
    );
    // None makes none.
    let plain = fs("    read /a at /x\n    overlay /b\n\n    scratch /tmp size 1MiB\n");
    check(&plain, &plain);
    // Crooked columns become one, and a text of another length keeps those below each other.
    check(
        &fs("    read /a   at /x\n    read /bbbbb     at /y\n    read /c at /z\n"),
        &fs("    read /a      at /x\n    read /bbbbb  at /y\n    read /c at /z\n"),
    );
    check(
        &fs("read /a,/aa   at /x # one\nread /bb      at /y # two\n"),
        &fs("    read /a, /aa  at /x  # one\n    read /bb      at /y  # two\n"),
    );
    let comments =
        policy("  include std.base            # one\n  include std.python          # two\n  net none\n");
    check(&comments, &comments);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let found = format("edition 2026\npolicy p { fs { reed /a } }").expect_err("it is wrong");
    assert_eq!(found.len(), 1);
    assert_eq!(unformatted(FileId(0), "edition 2026\npolicy p {"), None);
}

#[test]
fn the_hint_repairs_it() {
    let text = "edition 2026\n\npolicy p {\n  net   none\n   caps none\n}\n";
    let hint = unformatted(FileId(0), text).expect("it is not formatted");
    let edit = &hint.fix.as_ref().expect("a fix").edits[0];
    let mut repaired = text.to_owned();
    repaired.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    assert_eq!(Ok(repaired), format(text));
    assert_eq!(difference("aéb", "aèb"), (1, "é", "è"));
    assert_eq!(difference("ab", "aab"), (1, "", "a"));
}
