//! Values, arguments, types and constants.

use super::Reader;
use crate::document::{Key, Kind, Node};
use msb_diag::codes;
use msb_syntax::ast::{Arg, Include, Item, Param, QName, Spanned, Type, Value};
use msb_syntax::{Class, Fragment, lexemes};

/// Whether a text is more than a text: one token of the language that is a number with a unit, a path, a
/// parameter or an address.
pub(crate) fn is_more_than_text(text: &str) -> bool {
    let lexemes = lexemes(text);
    let [one] = lexemes.as_slice() else { return false };
    let all = one.start == 0 && one.end as usize == text.len();
    let class = matches!(one.class, Class::Number | Class::Path | Class::Var | Class::Address);
    all && class
        && text.parse::<u64>().is_err()
        && Fragment::written(text, msb_diag::Span::default()).value().1.is_empty()
}

impl Reader<'_> {
    /// A value: numbers and lists as they are; a text that is a number with a unit, a path, a parameter or
    /// an address in the language is that, any other a text. `{"text": …}` is a text in any case,
    /// `{"word": …}` a constant, `{"flags": […]}` several.
    pub(super) fn value(&mut self, node: &Node) -> Option<Spanned<Value>> {
        const WANTED: &str = "a text, a whole number or a list";
        let value = match &node.kind {
            Kind::Int(value) => Value::Int(*value),
            Kind::Text { text, .. } if is_more_than_text(text) => {
                return self.fragment(node, WANTED, |it| it.value());
            }
            Kind::Text { .. } => Value::Text(self.string(node, WANTED)?.to_owned()),
            Kind::List(nodes) => Value::List(nodes.iter().filter_map(|node| self.value(node)).collect()),
            Kind::Map(members) => match members.as_slice() {
                [(key, inner)] if key.text == "text" => Value::Text(self.string(inner, "a text")?.to_owned()),
                [(key, inner)] if key.text == "word" => {
                    Value::Ident(self.name(inner, "a word in a text")?.node)
                }
                [(key, inner)] if key.text == "flags" => {
                    let flags = self.all(inner, "a list of constants", Reader::constant_value);
                    if flags.len() < 2 {
                        self.wrong_kind(inner, "a list of at least two constants");
                        return None;
                    }
                    Value::Flags(flags)
                }
                [(key, _), ..] => {
                    self.unknown(key, &["text", "word", "flags"]);
                    return None;
                }
                [] => {
                    self.wrong_kind(node, WANTED);
                    return None;
                }
            },
            Kind::Null | Kind::Bool(_) | Kind::Odd(_) => {
                self.wrong_kind(node, WANTED);
                return None;
            }
        };
        Some(Spanned { node: value, span: node.span })
    }

    /// `12`, `"O_RDONLY"`
    pub(super) fn constant_value(&mut self, node: &Node) -> Option<Spanned<Value>> {
        if let Kind::Int(value) = node.kind {
            return Some(Spanned { node: Value::Int(value), span: node.span });
        }
        self.fragment(node, "a whole number, or a word in a text", |it| it.constant())
    }

    /// A number with its unit in a text, a whole number, or a parameter in a text.
    ///
    /// `setting` is what it is the value of.
    pub(super) fn quantity(&mut self, setting: &str, node: &Node) -> Option<Spanned<Value>> {
        if let Kind::Int(value) = node.kind {
            return Some(Spanned { node: Value::Int(value), span: node.span });
        }
        if let Kind::Odd(_) = node.kind {
            // As a text it may be wrong in ways that say more.
            let (start, end) = (node.span.start as usize, node.span.end as usize);
            let fragment = Fragment::verbatim(self.file, self.text, start, end);
            let (_, mut found) = fragment.map(|it| it.of(setting).quantity()).unwrap_or_default();
            if found.iter().any(|it| it.code != codes::UNEXPECTED || it.fix.is_some()) {
                self.found.append(&mut found);
                return None;
            }
        }
        self.fragment(node, "a whole number, or a quantity in a text", |it| it.of(setting).quantity())
    }

    /// Arguments by name.
    pub(super) fn args(&mut self, node: &Node) -> Vec<Arg> {
        let mut args = Vec::new();
        for (key, node) in self.map(node, "a mapping of names to values") {
            let name = self.key(key, |it| it.name());
            let value = self.value(node);
            args.extend(name.zip(value).map(|(name, value)| Arg { name, value }));
        }
        args
    }

    /// `"std.base"`, or `{"std.python": {"version": "3.12"}}`; documentation may stand beside the name.
    pub(super) fn include(&mut self, node: &Node) -> Option<(Include, String)> {
        let Kind::Map(members) = &node.kind else {
            let name =
                self.fragment(node, "a name in a text, or one with arguments", |it| it.dotted_name())?;
            return Some((Include { name, args: Vec::new(), span: node.span }, String::new()));
        };
        let (mut include, mut doc) = (None, String::new());
        for (key, inner) in members {
            if key.text == "doc" && matches!(inner.kind, Kind::Text { .. }) {
                doc = self.doc(inner);
            } else if include.is_some() {
                self.wrong_kind(node, "one name with its arguments");
            } else {
                let name: Option<QName> = self.key(key, |it| it.dotted_name());
                // Nothing is no arguments, as YAML has it behind a name and a colon.
                let args = if inner.kind == Kind::Null { Vec::new() } else { self.args(inner) };
                include = name.map(|name| Include { name, args, span: node.span });
            }
        }
        if members.is_empty() {
            self.wrong_kind(node, "a name with arguments");
        }
        include.map(|include| (include, doc))
    }

    /// `"dir"`, or `{"type": "dir", "default": …}`
    pub(super) fn param(&mut self, key: &Key, node: &Node) -> Option<Param> {
        let name = self.key(key, |it| it.name());
        let (ty, default) = self.typed(node, "default", "a type in a text", |it| it.parameter_type());
        Some(Param { name: name?, ty: ty?, default, span: key.span.to(node.span) })
    }

    /// A type in a text, or one with a value beside it.
    fn typed(
        &mut self,
        node: &Node,
        value: &str,
        wanted: &str,
        read: impl Fn(Fragment<'_>) -> msb_syntax::Read<Type>,
    ) -> (Option<Type>, Option<Spanned<Value>>) {
        let Kind::Map(members) = &node.kind else { return (self.fragment(node, wanted, read), None) };
        let (mut ty, mut default) = (None, None);
        for (key, inner) in members {
            match key.text.as_str() {
                "type" => ty = self.fragment(inner, wanted, &read),
                it if it == value => default = self.value(inner),
                _ => self.unknown(key, &["type", value]),
            }
        }
        if !members.iter().any(|(key, _)| key.text == "type") {
            self.missing(node.span, "type");
        }
        (ty, default)
    }

    /// A value, or one with its type: `{"type": "size", "value": "1GiB"}`.
    pub(super) fn constant(&mut self, key: &Key, node: &Node) -> Option<Item> {
        let name = self.key(key, |it| it.name());
        let typed =
            matches!(&node.kind, Kind::Map(members) if members.iter().any(|(key, _)| key.text == "value"));
        let (ty, value) = if typed {
            self.typed(node, "value", "a type in a text", |it| it.parameter_type())
        } else {
            (None, self.value(node))
        };
        Some(Item::Const { name: name?, ty, value: value? })
    }

    /// A reason, an unknown code: what `accept` takes.
    pub(super) fn accept(&mut self, node: &Node) -> Option<msb_syntax::ast::StmtKind> {
        let (mut codes, mut because) = (Vec::new(), None);
        let members = self.map(node, "a mapping with `codes` and `because`");
        if members.is_empty() && !matches!(node.kind, Kind::Map(_)) {
            return None;
        }
        for (key, inner) in members {
            match key.text.as_str() {
                "codes" => {
                    codes = self.all(inner, "a list of codes", |it, node| {
                        it.fragment(node, "a code in a text", |it| it.code())
                    });
                }
                "because" => because = self.spanned_string(inner, "a reason in a text"),
                "doc" => {}
                _ => self.unknown(key, &["codes", "because", "doc"]),
            }
        }
        if codes.is_empty() {
            self.missing(node.span, "codes");
            return None;
        }
        if because.is_none() {
            let found = msb_diag::Diagnostic::new(codes::ACCEPT_WITHOUT_REASON, "`accept` without a reason");
            self.say(
                found.label(node.span, "").help("write `because`, with the reason why this is safe here"),
            );
        }
        Some(msb_syntax::ast::StmtKind::Accept { codes, because })
    }
}
