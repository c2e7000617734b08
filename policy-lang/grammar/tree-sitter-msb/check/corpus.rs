//! The parser that is made from grammar.js reads what the compiler reads, and refuses what it refuses.

use msb_diag::{Diagnostic, FileId, codes};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tree_sitter::{Language, Node, Parser, Query, QueryCursor, StreamingIterator as _, Tree};
use tree_sitter_loader::{CompileConfig, Loader};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The language, of `src/parser.c` as the C compiler makes it.
fn language() -> Language {
    let folder = tempfile::tempdir().expect("a folder");
    let loader = Loader::with_parser_lib_path(folder.path().to_owned());
    let source = here().join("src");
    loader.load_language_at_path(CompileConfig::new(&source, None, None)).expect("it compiles")
}

fn parser(language: &Language) -> Parser {
    let mut parser = Parser::new();
    parser.set_language(language).expect("a version of the interface that the library has");
    parser
}

/// All `.msb` files below a folder, in order.
fn policies(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            policies(&path, found);
        } else if path.extension().is_some_and(|it| it == "msb") {
            found.push(path);
        }
    }
}

/// Texts with a name: the files of `policy-lang`, and the blocks of its pages.
fn corpus() -> Vec<(String, String)> {
    let root = here().join("../..");
    let mut files = Vec::new();
    policies(&root, &mut files);
    let mut all: Vec<(String, String)> = files
        .iter()
        .filter_map(|path| Some((path.display().to_string(), String::from_utf8(fs::read(path).ok()?).ok()?)))
        .collect();
    for folder in ["spec", "errors"] {
        let mut pages: Vec<_> = fs::read_dir(root.join(folder))
            .expect("a folder")
            .map(|it| it.expect("an entry").path())
            .collect();
        pages.sort();
        for page in pages {
            let text = fs::read_to_string(&page).expect("a page");
            for (count, block) in text.split("```msb").skip(1).enumerate() {
                let (_, block) = block.split_once('\n').expect("a block");
                let (block, _) = block.split_once("```").expect("an end");
                all.push((format!("{}, block {}", page.display(), count + 1), block.to_owned()));
            }
        }
    }
    assert!(all.len() > 700, "{} texts", all.len());
    all
}

/// What the compiler's parser says against `text`: nothing, what is wrong with its form, or with something else.
enum Compiler {
    Reads,
    Refuses(Diagnostic),
    Other,
}

fn compiler(text: &str) -> Compiler {
    let found = msb_syntax::parse(FileId(0), text).1;
    if !msb_diag::has_errors(&found) {
        return Compiler::Reads;
    }
    // Three rules are beyond a grammar of tree-sitter, which does not look ahead: which names can stand behind `$`, that what
    // begins as a whole number where one can stand is one to its end, and that no word touches the end of a text.
    let beyond = |it: &Diagnostic| {
        it.message.contains("is not the name of")
            || it.message.ends_with("a whole number")
            || it.message.starts_with("string ends before")
    };
    let form = |it: &Diagnostic| it.is_error() && it.code == codes::UNEXPECTED && !beyond(it);
    found.into_iter().find(form).map_or(Compiler::Other, Compiler::Refuses)
}

/// The first place of a tree at which there is an error.
fn wrong(tree: &Tree, text: &str) -> Option<String> {
    let mut node = tree.root_node();
    if !node.has_error() {
        return None;
    }
    'down: while !node.is_error() && !node.is_missing() {
        for index in 0..node.child_count() {
            let child = node.child(index as u32)?;
            if child.has_error() || child.is_missing() {
                node = child;
                continue 'down;
            }
        }
        break;
    }
    let at = node.start_position();
    let line = text.lines().nth(at.row).unwrap_or_default();
    Some(format!("{}:{}: {} `{line}`", at.row + 1, at.column + 1, node.to_sexp()))
}

#[test]
fn the_parser_in_the_tree_is_that_of_the_grammar() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["grammar.js", "tree-sitter.json"] {
        fs::copy(here().join(name), folder.path().join(name)).expect("a copy");
    }
    let made = Command::new(env!("CARGO_BIN_EXE_generate")).arg(folder.path()).output().expect("it starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in [
        "grammar.json",
        "node-types.json",
        "parser.c",
        "tree_sitter/alloc.h",
        "tree_sitter/array.h",
        "tree_sitter/parser.h",
    ] {
        let read = |root: &Path| fs::read(root.join("src").join(name)).expect("a file");
        assert!(
            read(folder.path()) == read(here()),
            "src/{name} is old: `scripts/tree-sitter.sh --write` makes it anew"
        );
    }
}

#[test]
fn the_corpus() {
    let mut parser = parser(&language());
    let mut lines = String::new();
    for (name, text) in corpus() {
        let tree = parser.parse(&text, None).expect("a tree");
        match (compiler(&text), wrong(&tree, &text)) {
            (Compiler::Reads, Some(wrong)) => lines.push_str(&format!("{name}: reads, but {wrong}\n")),
            (Compiler::Refuses(found), None) => {
                lines.push_str(&format!("{name}: no error, but {}\n", found.message))
            }
            _ => {}
        }
    }
    assert!(lines.is_empty(), "{lines}");
}

/// Numbers that look like chance and are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 32).expect("64 bits") % bound
    }
}

/// How often each text is changed.
const TRIES: usize = 10;

#[test]
fn one_word_wrong() {
    let mut parser = parser(&language());
    let corpus: Vec<_> =
        corpus().into_iter().filter(|(_, text)| matches!(compiler(text), Compiler::Reads)).collect();
    let pieces: Vec<&str> = corpus
        .iter()
        .flat_map(|(_, text)| msb_syntax::lexemes(text).into_iter().map(|it| it.text(text)))
        .filter(|it| !it.starts_with('#'))
        .collect();
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let (mut lines, mut read, mut refused) = (String::new(), 0, 0);
    for (name, text) in &corpus {
        let lexemes = msb_syntax::lexemes(text);
        for _ in 0..TRIES {
            let lexeme = lexemes[chance.below(lexemes.len())];
            let (before, after) = (&text[..lexeme.range().start], &text[lexeme.range().end..]);
            let changed = match chance.below(3) {
                0 => format!("{before}{after}"),
                1 => format!("{before}{} {}{after}", lexeme.text(text), pieces[chance.below(pieces.len())]),
                _ => format!("{before}{}{after}", pieces[chance.below(pieces.len())]),
            };
            let tree = parser.parse(&changed, None).expect("a tree");
            let wrong = wrong(&tree, &changed);
            match (compiler(&changed), wrong) {
                (Compiler::Reads, Some(wrong)) => lines.push_str(&format!("{name}: reads, but {wrong}\n")),
                (Compiler::Refuses(found), None) => {
                    let at = found.span().map_or(0, |it| it.start as usize);
                    let line = changed[..at].rfind('\n').map_or(0, |it| it + 1);
                    let line = changed[line..].lines().next().unwrap_or_default();
                    lines.push_str(&format!("{name}: no error, but {} in `{line}`\n", found.message));
                }
                (Compiler::Reads, None) => read += 1,
                (Compiler::Refuses(_), Some(_)) => refused += 1,
                _ => {}
            }
        }
    }
    assert!(lines.is_empty(), "{lines}{read} {refused}");
    assert!(read > 500 && refused > 2000, "{read} {refused}");
}

/// Groups of highlighting that Neovim and Helix both know, or know the beginning of.
const CAPTURES: [&str; 20] = [
    "comment",
    "comment.documentation",
    "constant",
    "constant.builtin",
    "function",
    "function.builtin",
    "keyword",
    "keyword.import",
    "keyword.operator",
    "module",
    "number",
    "operator",
    "property",
    "punctuation.bracket",
    "punctuation.delimiter",
    "string",
    "string.regexp",
    "string.special.path",
    "type",
    "variable",
];

#[test]
fn everything_is_highlighted() {
    let language = language();
    let text = fs::read_to_string(here().join("queries/highlights.scm")).expect("the query");
    let query = Query::new(&language, &text).expect("a query for this grammar");
    let known = |name: &&str| CAPTURES.contains(name) || *name == "variable.parameter";
    assert_eq!(
        query.capture_names().iter().filter(|name| !known(name)).count(),
        0,
        "{:?}",
        query.capture_names()
    );
    let mut parser = parser(&language);
    let mut bare = HashSet::new();
    for (_, text) in corpus().iter().filter(|(_, text)| matches!(compiler(text), Compiler::Reads)) {
        let tree = parser.parse(text, None).expect("a tree");
        let mut cursor = QueryCursor::new();
        let mut captures = cursor.captures(&query, tree.root_node(), text.as_bytes());
        let mut captured = HashSet::new();
        while let Some((found, _)) = captures.next() {
            captured.extend(found.captures.iter().map(|it| it.node.id()));
        }
        leaves(tree.root_node(), false, &captured, &mut bare);
    }
    // A byte order mark is nothing to see.
    bare.remove("\u{feff}");
    assert!(bare.is_empty(), "{bare:?}");
}

fn leaves(node: Node<'_>, covered: bool, captured: &HashSet<usize>, bare: &mut HashSet<&'static str>) {
    let covered = covered || captured.contains(&node.id());
    if node.child_count() == 0 && !covered {
        bare.insert(node.kind());
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        leaves(child, covered, captured, bare);
    }
}
