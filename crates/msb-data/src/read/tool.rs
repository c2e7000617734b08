//! Tools.

use super::Reader;
use crate::document::{Key, Kind, Node};
use crate::lists;
use msb_syntax::ast::{Spanned, Tool, ToolOption, ToolOptionKind, ToolParam, Value};

impl Reader<'_> {
    /// `{"name": "search", "params": {"query": "string(1..512)"}, "returns": "json", "timeout": "20s"}`
    pub(super) fn tool(&mut self, node: &Node) -> Option<Tool> {
        let members = self.map(node, "a mapping with a `name`");
        let (mut name, mut doc, mut params, mut result) = (None, String::new(), Vec::new(), None);
        let mut options = Vec::new();
        for (key, inner) in members {
            match key.text.as_str() {
                "name" => name = self.name(inner, "a name in a text"),
                "doc" => doc = self.doc(inner),
                "params" => {
                    let all = self.map(inner, "a mapping of names to types");
                    params = all.iter().filter_map(|(key, node)| self.tool_param(key, node)).collect();
                }
                "returns" => result = self.fragment(inner, "a type in a text", |it| it.tool_type()),
                "burst" => {
                    if !members.iter().any(|(key, _)| key.text == "rate") {
                        self.missing(node.span, "rate");
                    }
                }
                word if lists::TOOL.contains(&word) => {
                    let kind = self.tool_option(key, inner, members);
                    options.extend(kind.map(|kind| ToolOption { kind, span: key.span.to(inner.span) }));
                }
                _ => self.unknown(key, lists::TOOL),
            }
        }
        if !members.is_empty() && !members.iter().any(|(key, _)| key.text == "name") {
            self.missing(node.span, "name");
        }
        Some(Tool { doc, name: name?, params, result, options, span: node.span })
    }

    fn tool_option(&mut self, key: &Key, node: &Node, members: &[(Key, Node)]) -> Option<ToolOptionKind> {
        match key.text.as_str() {
            "rate" => {
                let rate = self.fragment(node, "a rate in a text", |it| it.rate());
                let burst = members.iter().find(|(key, _)| key.text == "burst");
                let burst = burst.and_then(|(_, node)| self.int(node));
                rate.map(|rate| ToolOptionKind::Rate { rate, burst })
            }
            "quota" => self.int(node).map(ToolOptionKind::Quota),
            "timeout" => self.quantity("timeout", node).map(ToolOptionKind::Timeout),
            "concurrency" => self.int(node).map(ToolOptionKind::Concurrency),
            "result" => self.quantity("result", node).map(ToolOptionKind::Result),
            "confirm" => self.flag(node).then_some(ToolOptionKind::Confirm),
            "exec" => {
                let words = self.all(node, "a list of texts", Reader::exec_word);
                self.filled(node).then_some(ToolOptionKind::Exec(words))
            }
            "stdin" => {
                self.fragment(node, "a parameter in a text", |it| it.parameter()).map(ToolOptionKind::Stdin)
            }
            "in" => self.include(node).map(|(include, _)| ToolOptionKind::In(include)),
            "shim" => self.flag(node).then_some(ToolOptionKind::Shim),
            _ => self.choice(node, &["args", "none"]).map(ToolOptionKind::Log),
        }
    }

    /// A word of a command: a parameter where it begins with `$`; `{"text": …}` is a text in any case.
    fn exec_word(&mut self, node: &Node) -> Option<Spanned<Value>> {
        if let Kind::Map(members) = &node.kind
            && let [(key, inner)] = members.as_slice()
            && key.text == "text"
        {
            let text = self.string(inner, "a text")?.to_owned();
            return Some(Spanned { node: Value::Text(text), span: node.span });
        }
        let text = self.spanned_string(node, "a text, or a parameter in a text")?;
        if !text.node.starts_with('$') {
            return Some(Spanned { node: Value::Text(text.node), span: node.span });
        }
        let name = self.fragment(node, "a parameter in a text", |it| it.parameter())?;
        let span = name.span;
        Some(Spanned { node: Value::Var { name, rest: String::new() }, span })
    }

    /// A type in a text, or `{"type": …, "optional": true, "default": …}`
    fn tool_param(&mut self, key: &Key, node: &Node) -> Option<ToolParam> {
        let name = self.key(key, |it| it.name());
        let (mut ty, mut optional, mut default) = (None, false, None);
        if let Kind::Map(members) = &node.kind {
            for (key, inner) in members {
                match key.text.as_str() {
                    "type" => ty = self.fragment(inner, "a type in a text", |it| it.tool_type()),
                    "optional" => optional = self.flag(inner),
                    "default" => default = self.value(inner),
                    _ => self.unknown(key, &["type", "optional", "default"]),
                }
            }
            if !members.iter().any(|(key, _)| key.text == "type") {
                self.missing(node.span, "type");
            }
        } else {
            ty = self.fragment(node, "a type in a text", |it| it.tool_type());
        }
        Some(ToolParam { name: name?, optional, ty: ty?, default })
    }
}
