//! Binding arguments to the parameters of a profile, and putting them where the parameters stand.

use crate::nearest;
use crate::scope::list;
use crate::types::{self, Known, ParamType, Refined, describe};
use crate::walk::{self, Visit};
use msb_diag::{Diagnostic, Span, codes};
use msb_syntax::ast::{Block, Include, Name, Param, PathExpr, PathKind, Spanned, TypeKind, Value};

/// What a `$name` stands for inside one block.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// The name, without `$`.
    pub(crate) name: String,
    /// Where it is declared.
    pub(crate) declared: Span,
    /// Its type, where this version has it.
    pub(crate) ty: Option<ParamType>,
    /// The value; `None` for a parameter of the policy, which stays open, and for one that could not be
    /// bound, of which nothing more is said.
    pub(crate) value: Option<Value>,
    /// Whether the value could not be bound.
    pub(crate) lost: bool,
}

/// The parameters of the policy itself: they stay open until launch.
pub(crate) fn open(block: &Block, found: &mut Vec<Diagnostic>) -> Vec<Binding> {
    let mut open = |param: &Param| {
        let mut ty = declared(param, found);
        if ty == Some(ParamType::Path) {
            found.push(
                Diagnostic::new(
                    codes::NOT_ENFORCED,
                    "a policy's parameter of type `path` is not enforced by this version",
                )
                .label(param.ty.span, "launch binds files and directories")
                .help(format!("write `{0}: dir` or `{0}: file`", param.name.node)),
            );
            ty = None;
        }
        Binding { name: param.name.node.clone(), declared: param.span, ty, value: None, lost: ty.is_none() }
    };
    block.params.iter().map(&mut open).collect()
}

/// Binds the arguments of `include`, which stands where `outer` is in scope, to the parameters of `profile`.
pub(crate) fn bind(
    include: &Include,
    profile: &Block,
    outer: &[Binding],
    found: &mut Vec<Diagnostic>,
) -> Vec<Binding> {
    surplus(include, profile, missing(include, profile), found);
    profile.params.iter().map(|param| bind_one(profile, include, param, outer, found)).collect()
}

/// The values that `include` gives to parameters of `policy`; the parameters that it leaves out stay open.
pub(crate) fn bind_given(
    include: &Include,
    policy: &Block,
    found: &mut Vec<Diagnostic>,
) -> Vec<(String, Value)> {
    surplus(include, policy, None, found);
    let given = policy.params.iter().filter_map(|param| {
        let arg = include.args.iter().find(|arg| arg.name.node == param.name.node)?;
        let ty = declared(param, found)?;
        Some((param.name.node.clone(), argument(&arg.value, ty, param, &[], found)?))
    });
    given.collect()
}

/// Reports arguments that no parameter takes, and those given twice; one that no parameter takes may be meant for
/// `missing`.
fn surplus(include: &Include, profile: &Block, missing: Option<&str>, found: &mut Vec<Diagnostic>) {
    let names: Vec<String> = profile.params.iter().map(|param| param.name.node.clone()).collect();
    for (index, arg) in include.args.iter().enumerate() {
        let name = &arg.name.node;
        let first = include.args.iter().take(index).find(|other| other.name.node == *name);
        if let Some(first) = first {
            found.push(
                Diagnostic::new(codes::WRONG_ARGUMENTS, format!("argument `{name}` is given twice"))
                    .label(arg.name.span, "again here")
                    .label(first.name.span, "first here")
                    .help("keep one of them"),
            );
        } else if !names.contains(name) {
            let extra = Diagnostic::new(
                codes::WRONG_ARGUMENTS,
                format!("`{}` has no parameter `{name}`", profile.name.node),
            )
            .label(arg.name.span, "no such parameter")
            .label(profile.head, "declared here");
            found.push(match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => extra.help(format!("did you mean `{meant}`?")).edit(arg.name.span, meant),
                None if names.is_empty() => extra.help("it takes no arguments"),
                None if missing.is_some() => {
                    extra.help(format!("write `{}`, which is missing", missing.unwrap_or_default()))
                }
                None => extra.help(format!("its parameters are {}", list(&names))),
            });
        }
    }
}

/// The one parameter that needs an argument and gets none, where one other argument is given that no parameter takes:
/// the two are one mistake.
fn missing<'a>(include: &Include, profile: &'a Block) -> Option<&'a str> {
    let given = |param: &Param| include.args.iter().any(|arg| arg.name.node == param.name.node);
    let mut lacking = profile.params.iter().filter(|param| param.default.is_none() && !given(param));
    let known = |name: &str| profile.params.iter().any(|param| param.name.node == name);
    let foreign = include.args.iter().filter(|arg| !known(&arg.name.node)).count();
    let only = lacking.next().filter(|_| lacking.next().is_none() && foreign == 1)?;
    Some(only.name.node.as_str())
}

fn bind_one(
    profile: &Block,
    include: &Include,
    param: &Param,
    outer: &[Binding],
    found: &mut Vec<Diagnostic>,
) -> Binding {
    let name = &param.name.node;
    let mut binding = Binding {
        name: name.clone(),
        declared: param.span,
        ty: ParamType::of(&param.ty),
        value: None,
        lost: true,
    };
    let Some(ty) = declared(param, found) else { return binding };
    let given = include.args.iter().find(|arg| arg.name.node == *name).map(|arg| &arg.value);
    let Some(value) = given.or(param.default.as_ref()) else {
        if missing(include, profile).is_some() {
            return binding;
        }
        found.push(
            Diagnostic::new(codes::WRONG_ARGUMENTS, format!("argument `{name}` is missing"))
                .label(include.span, format!("needs `{name}`, {}", an(ty.word())))
                .label(param.span, "declared here")
                .help(format!("write `{}({name}: …)`", crate::scope::dotted(&include.name))),
        );
        return binding;
    };
    // A default belongs to the profile: names of the includer mean nothing in it.
    let scope = if given.is_some() { outer } else { &[] };
    if let Some(value) = argument(value, ty, param, scope, found) {
        binding.value = Some(value);
        binding.lost = false;
    }
    binding
}

/// The type of a parameter, or a report that this version has no such type.
pub(crate) fn declared(param: &Param, found: &mut Vec<Diagnostic>) -> Option<ParamType> {
    match types::known(&param.ty) {
        Known::Now(ty) => Some(ty),
        Known::Later => {
            found.push(
                Diagnostic::new(
                    codes::NOT_ENFORCED,
                    format!(
                        "the type of the parameter `{}` is not enforced by this version",
                        param.name.node
                    ),
                )
                .label(param.ty.span, "not enforced yet")
                .help("use `dir`, `file` or `string`, or write the value where it is used"),
            );
            None
        }
        Known::Unknown(meant) => {
            let name = match &param.ty.kind {
                TypeKind::Name(name) => name.as_str(),
                TypeKind::List(_) | TypeKind::Record(_) | TypeKind::OneOf(_) => "",
            };
            let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown type `{name}`"))
                .label(param.ty.span, "no type has this name");
            found.push(match meant {
                Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(param.ty.span, meant),
                None => {
                    let words: Vec<String> =
                        ParamType::ALL.iter().map(|(word, _)| (*word).to_owned()).collect();
                    unknown.help(format!("the types are {}", list(&words)))
                }
            });
            None
        }
    }
}

/// The value of an argument, in terms of the policy's own parameters.
fn argument(
    value: &Spanned<Value>,
    wanted: ParamType,
    param: &Param,
    outer: &[Binding],
    found: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let mut wrong = |is: &str| {
        found.push(
            Diagnostic::new(codes::WRONG_TYPE, format!("expected {}, found {}", an(wanted.word()), an(is)))
                .label(value.span, format!("this is {}", an(is)))
                .label(param.span, "declared here")
                .help(format!("give `{}` {}", param.name.node, an(wanted.word()))),
        );
    };
    if let Value::Var { name, rest } = &value.node {
        let Some(binding) = outer.iter().find(|binding| binding.name == name.node) else {
            found.push(unknown_variable(name, outer, wanted.word()));
            return None;
        };
        // Of one that could not be bound something was said already.
        let ty = binding.ty.filter(|_| !binding.lost)?;
        // What lies below a directory may be a file or a directory; launch finds out which.
        let fits = if rest.is_empty() { ty.fits(wanted) } else { ty.is_path() && wanted.is_path() };
        if !fits {
            wrong(ty.word());
            return None;
        }
        let mut whole = value.clone();
        Substitute { scope: outer, found }.value(&mut whole);
        return refined(whole, param, found);
    }
    if !wanted.takes(&value.node) {
        wrong(describe(&value.node));
        return None;
    }
    refined(value.clone(), param, found)
}

/// `value`, where it holds what the parameter's type asks of it besides.
fn refined(value: Spanned<Value>, param: &Param, found: &mut Vec<Diagnostic>) -> Option<Value> {
    let name = &param.name.node;
    let wrong = match types::refined(&param.ty, &value.node) {
        Refined::Holds => return Some(value.node),
        Refined::Breaks(range) => Diagnostic::new(codes::WRONG_TYPE, format!("`{name}` must be {range}"))
            .label(value.span, "outside of that")
            .label(param.ty.span, "declared here")
            .help(format!("give a value that is {range}")),
        Refined::Later => {
            let message = format!("this refinement of the type of `{name}` is not enforced by this version");
            Diagnostic::new(codes::NOT_ENFORCED, message)
                .label(param.ty.span, "nothing would hold the value to it")
                .label(value.span, "given here")
                .help(format!(
                    "write `{name}: {}`",
                    ParamType::of(&param.ty).map_or("string", ParamType::word)
                ))
        }
    };
    found.push(wrong);
    None
}

/// `ty` is the type that a parameter would have there.
pub(crate) fn unknown_variable(name: &Name, scope: &[Binding], ty: &str) -> Diagnostic {
    let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown parameter `${}`", name.node))
        .label(name.span, "neither a parameter nor a constant");
    match nearest(&name.node, scope.iter().map(|binding| binding.name.as_str())) {
        Some(meant) => unknown.help(format!("did you mean `${meant}`?")).edit(name.span, format!("${meant}")),
        None => unknown.help(format!("declare it: `policy NAME({}: {ty})`", name.node)),
    }
}

/// Puts the values of `scope` where its names stand; parameters of the policy stay as they are.
pub(crate) struct Substitute<'a> {
    pub(crate) scope: &'a [Binding],
    pub(crate) found: &'a mut Vec<Diagnostic>,
}

impl Substitute<'_> {
    fn look_up(&mut self, name: &Name, ty: &str) -> Option<&Binding> {
        let binding = self.scope.iter().find(|binding| binding.name == name.node);
        if binding.is_none() {
            self.found.push(unknown_variable(name, self.scope, ty));
        }
        binding
    }
}

impl Visit for Substitute<'_> {
    fn path(&mut self, path: &mut PathExpr) {
        let PathKind::Var { name, rest } = &path.kind else { return };
        let Some(binding) = self.look_up(name, "dir") else { return };
        let replaced = match &binding.value {
            Some(Value::Path(base) | Value::Text(base)) if binding.ty.is_none_or(ParamType::is_path) => {
                Some(PathKind::Path(join(base, rest)))
            }
            Some(Value::Var { name: outer, rest: below }) if binding.ty.is_none_or(ParamType::is_path) => {
                Some(PathKind::Var { name: outer.clone(), rest: format!("{below}{rest}") })
            }
            Some(value) => {
                let is = binding.ty.map_or(describe(value), ParamType::word);
                let wrong = Diagnostic::new(codes::WRONG_TYPE, format!("expected a path, found {}", an(is)))
                    .label(path.span, format!("`${}` is {}", name.node, an(is)))
                    .label(binding.declared, "declared here")
                    .help(format!("declare `{}` as `dir` or `file`", name.node));
                self.found.push(wrong);
                None
            }
            None => None,
        };
        if let Some(kind) = replaced {
            path.kind = kind;
        }
    }

    fn value(&mut self, value: &mut Spanned<Value>) {
        let Value::Var { name, rest } = &value.node else { return };
        let ty = if rest.is_empty() { "string" } else { "dir" };
        let Some(binding) = self.look_up(name, ty) else { return };
        let replaced = match &binding.value {
            Some(Value::Path(base)) => Some(Value::Path(join(base, rest))),
            Some(Value::Text(base)) if !rest.is_empty() && binding.ty.is_some_and(ParamType::is_path) => {
                Some(Value::Path(join(base, rest)))
            }
            Some(Value::Var { name: outer, rest: below }) => {
                Some(Value::Var { name: outer.clone(), rest: format!("{below}{rest}") })
            }
            Some(other) if rest.is_empty() => Some(other.clone()),
            Some(_) | None => None,
        };
        if let Some(replaced) = replaced {
            value.node = replaced;
        }
    }

    fn measure(&mut self, what: &str, value: &mut Spanned<Value>) {
        if let Value::Var { name, .. } = &value.node
            && !self.scope.iter().any(|binding| binding.name == name.node)
        {
            let unknown = unknown_variable(name, self.scope, "int");
            // What a launch gives is no measure yet.
            let constant = format!("declare it above the policy: `const {} = {}`", name.node, example(what));
            self.found.push(if unknown.fix.is_none() { unknown.help(constant) } else { unknown });
            return;
        }
        self.value(value);
    }

    fn name(&mut self, name: &mut Name) {
        self.look_up(name, "secret");
    }

    fn host(&mut self, name: &mut Name) {
        self.look_up(name, "host");
    }

    fn group(&mut self, _: &mut String) {}
}

/// A value that a setting takes.
fn example(setting: &str) -> &'static str {
    match setting {
        "memory" | "swap" | "size" | "quota" | "io" | "fsize" | "output" => "512MiB",
        "wall" | "cpu_time" => "10min",
        "cpu" => "50%",
        "rate" => "10/min",
        _ => "64",
    }
}

/// Substitutes in a whole statement.
pub(crate) fn substitute(stmt: &mut msb_syntax::ast::Stmt, scope: &[Binding], found: &mut Vec<Diagnostic>) {
    walk::stmt(stmt, &mut Substitute { scope, found });
}

fn join(base: &str, rest: &str) -> String {
    format!("{}{rest}", base.trim_end_matches('/'))
}

/// A noun with its article.
pub(crate) fn an(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {noun}")
}
