//! What an editor can fold away: blocks, and comments of several lines. By lexemes, so that it works while somebody types.

use crate::answers::Open;
use crate::place::Places;
use msb_data::Form;
use msb_syntax::{Class, lexemes};
use serde_json::{Value, json};

pub(crate) fn folds(open: &Open<'_>) -> Value {
    if Form::of(open.path) != Form::Msb {
        return json!([]);
    }
    let line = |byte: u32| line_of(&open.places, byte);
    let mut folds = Vec::new();
    let mut braces = Vec::new();
    let mut comment: Option<(u64, u64)> = None;
    let close = |comment: &mut Option<(u64, u64)>, folds: &mut Vec<Value>| {
        if let Some((first, last)) = comment.take().filter(|(first, last)| first < last) {
            folds.push(json!({"startLine": first, "endLine": last, "kind": "comment"}));
        }
    };
    for lexeme in lexemes(open.text) {
        let at = line(lexeme.start);
        if matches!(lexeme.class, Class::Comment | Class::Doc) {
            // A comment behind something is none that stands for itself.
            let alone = lexeme.line_ends_before > 0 || lexeme.start == 0;
            match &mut comment {
                Some((_, last)) if alone && lexeme.line_ends_before == 1 => *last = at,
                _ => {
                    close(&mut comment, &mut folds);
                    comment = alone.then_some((at, at));
                }
            }
            continue;
        }
        close(&mut comment, &mut folds);
        match lexeme.text(open.text) {
            "{" if lexeme.class == Class::Sign => braces.push(at),
            "}" if lexeme.class == Class::Sign => {
                // The line of the brace that closes stays.
                let first = braces.pop();
                if let Some(first) = first.filter(|first| at > first + 1) {
                    folds.push(json!({"startLine": first, "endLine": at - 1}));
                }
            }
            _ => {}
        }
    }
    close(&mut comment, &mut folds);
    folds.sort_by_key(|it| it["startLine"].as_u64());
    Value::Array(folds)
}

fn line_of(places: &Places<'_>, byte: u32) -> u64 {
    places.position(byte as usize)["line"].as_u64().unwrap_or(0)
}
