//! The parameters of the policy, which stay open until launch.

use crate::bounds::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use crate::context::Context;
use crate::values::article;
use msb_diag::{Diagnostic, Span, codes};
use msb_host::Host;
use msb_policy::{Param, ParamKind};
use msb_resolve::{ParamType, describe};
use msb_syntax::ast::{self, Value};

/// A parameter and where it was declared.
#[derive(Debug, Clone)]
pub(crate) struct OpenParam {
    pub(crate) ir: Param,
    pub(crate) declared: Span,
}

/// Fills in the parameters that this version can bind; the others were reported by name resolution.
pub(crate) fn params(cx: &mut Context<'_>) {
    for param in &cx.resolved.block.params {
        let kind = match ParamType::of(&param.ty) {
            Some(ParamType::Dir) => ParamKind::Dir,
            Some(ParamType::File) => ParamKind::File,
            Some(ParamType::Text) => ParamKind::Text,
            Some(ParamType::Host) => ParamKind::Host,
            Some(ParamType::Secret) => ParamKind::Secret,
            Some(ParamType::Int | ParamType::Size | ParamType::Duration | ParamType::Percent) => {
                ParamKind::Number
            }
            Some(ParamType::Path) | None => continue,
        };
        if cx.params.iter().any(|other| other.ir.name == param.name.node) {
            continue;
        }
        if !param.ty.refine.is_empty() && kind.is_bound_at_launch() {
            cx.say(
                Diagnostic::new(
                    codes::NOT_ENFORCED,
                    "a refinement of a parameter's type is not enforced by this version",
                )
                .label(param.ty.span, "launch would not hold the value to it")
                .help(format!("write `{}: {}`", param.name.node, kind_word(kind))),
            );
        }
        if param.name.node.len() > NAME_BYTES_MAX {
            cx.say(
                Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "the name of a parameter is too long")
                    .label(param.name.span, format!("more than {NAME_BYTES_MAX} bytes"))
                    .help("choose a shorter name"),
            );
        }
        let default = default(cx, param, kind);
        let origin = cx.origin(param.span);
        let ir = Param { name: param.name.node.clone(), kind, default, origin };
        cx.params.push(OpenParam { ir, declared: param.span });
    }
}

/// The word of the language for a kind.
pub(crate) fn kind_word(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Dir => "dir",
        ParamKind::File => "file",
        ParamKind::Text => "string",
        ParamKind::Host => "host",
        ParamKind::Secret => "secret",
        ParamKind::Number => "number",
    }
}

fn default(cx: &mut Context<'_>, param: &ast::Param, kind: ParamKind) -> Option<String> {
    let value = param.default.as_ref()?;
    let text = match (&value.node, kind) {
        (Value::Text(text), ParamKind::Text) => text,
        (Value::Text(text), ParamKind::Host) => {
            return match crate::net::host(cx, text, value.span)? {
                Host::Name(name) => Some(name),
                other => {
                    cx.say(
                        Diagnostic::new(codes::BAD_HOST, format!("`{other}` is not one name"))
                            .label(value.span, "a parameter of type `host` stands for a name")
                            .help("write a name here, or the address or pattern in a rule"),
                    );
                    None
                }
            };
        }
        (Value::Int(_) | Value::Size(_) | Value::Duration(_) | Value::Percent(_), ParamKind::Number) => {
            return Some(crate::context::written(cx, value.span));
        }
        (_, ParamKind::Secret) => {
            cx.say(
                Diagnostic::new(codes::SECRET_LEAKS, "a secret has no default")
                    .label(value.span, "who reads the policy reads it")
                    .help("leave the default out: launch asks for it"),
            );
            return None;
        }
        (Value::Path(text) | Value::Text(text), ParamKind::Dir | ParamKind::File) => {
            if !text.starts_with('/') {
                cx.say(
                    Diagnostic::new(codes::PATH_NOT_NORMAL, format!("default `{text}` is not absolute"))
                        .label(value.span, "launch takes it as it stands")
                        .help("write a path that begins with `/`, or leave the default out"),
                );
            }
            text
        }
        (other, _) => {
            let (is, wanted) = (describe(other), kind_word(kind));
            cx.say(
                Diagnostic::new(
                    codes::WRONG_TYPE,
                    format!("expected {} {wanted}, found {} {is}", article(wanted), article(is)),
                )
                .label(value.span, format!("this is {} {is}", article(is)))
                .label(param.ty.span, "declared here")
                .help(format!("write {} {wanted}, or leave the default out", article(wanted))),
            );
            return None;
        }
    };
    if text.len() > TEXT_BYTES_MAX || text.contains('\0') {
        cx.say(crate::bounds::bad_text(value.span));
    }
    Some(text.clone())
}

/// A secret that would end up where a program, or who reads a plan, sees it.
pub(crate) fn secret_leaks(span: Span, name: &str, place: &str) -> Diagnostic {
    Diagnostic::new(codes::SECRET_LEAKS, format!("secret `${name}` would be seen in {place}"))
        .label(span, "nobody inside may see it")
        .help(format!("let the gateway use it: `allow https \"api.example.org\" inject ${name}`"))
}
