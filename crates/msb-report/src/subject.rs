//! What a failure is about: the path, parameter or command behind the number of a line.

use crate::{Context, place, words};
use msb_plan::event::{Failure, Step};
use msb_plan::network::{Network, Peer};
use msb_plan::{Arch, Base, MountKind, OriginId, Param, ParamKind, Path, Plan, Rights};

/// The values of the fields that a text of the table can have.
pub(crate) struct Subject {
    fields: Vec<(&'static str, String)>,
}

impl Subject {
    pub(crate) fn of(failure: Failure, plan: &Plan<'_>, context: &Context<'_>) -> Subject {
        let paths = paths(failure, plan, context);
        let param = failure
            .origin
            .and_then(|origin| parameter(origin, plan, context).or_else(|| host(origin, plan)))
            .or_else(|| paths.iter().find_map(|path| base_parameter(*path, plan)));
        let named = paths.iter().map(|path| show(*path, plan, context)).chain(searched(failure, plan));
        let fields = vec![
            ("{other}", other(failure, plan, context)),
            ("{path}", one_of(named.collect())),
            ("{or_set}", param.map_or_else(String::new, |p| format!(", or pass another with {}", set(&p)))),
            ("{param}", param.map_or("?", |param| param.name).to_owned()),
            ("{value}", param.map_or_else(String::new, |p| clipped(value(&p, context).unwrap_or_default()))),
            ("{unexpanded}", unexpanded(param.and_then(|p| value(&p, context))).to_owned()),
            ("{set}", param.as_ref().map_or_else(String::new, set)),
            ("{unknown}", unknown(plan, context)),
            ("{params}", declared(plan)),
            ("{command}", command(plan, context)),
            ("{kernel}", format!("{}.{}", plan.target.kernel_min.0, plan.target.kernel_min.1)),
            ("{machines}", machines(plan)),
            ("{step}", failure.step.words().to_owned()),
            ("{errno}", words::errno(failure.errno)),
        ];
        Subject { fields }
    }

    /// `text` with its fields filled in. Values are not looked at for fields: they come from outside.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, field) = rest.split_at(at);
            filled += before;
            match self.fields.iter().find(|(name, _)| field.starts_with(name)) {
                Some((name, value)) => {
                    filled += value;
                    rest = &field[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &field[1..];
                }
            }
        }
        filled + rest
    }
}

/// What the searches of a line look for, `` `$repo/**/.env` ``; nothing of a line without any.
fn searched(failure: Failure, plan: &Plan<'_>) -> Vec<String> {
    use Step::{Deny, DenyCoversGrant, DenyHardLink, DenyPlaceholder, DenySource, Search};
    let step =
        [Search, DenySource, DenyHardLink, DenyCoversGrant, DenyPlaceholder, Deny].contains(&failure.step);
    let of_line = plan.searches.iter().filter(|search| step && failure.origin == Some(search.origin));
    of_line
        .map(|search| {
            let root = written(search.root, plan);
            format!("`{}/**/{}`", root.trim_end_matches('/'), search.rest)
        })
        .collect()
}

/// The paths of the line that a step works on; several where one line names several.
fn paths<'p>(failure: Failure, plan: &Plan<'p>, context: &Context<'_>) -> Vec<Path<'p>> {
    let asked = |origin: OriginId| failure.origin == Some(origin);
    let mounts = plan.mounts.iter().filter(|mount| asked(mount.origin));
    let denies = plan.denies.iter().filter(|deny| asked(deny.origin)).map(|deny| deny.path);
    let mut paths: Vec<Path<'p>> = match failure.step {
        Step::MountSource | Step::MountIdMap | Step::Mount | Step::ParamOverlap | Step::ParamSame => {
            mounts.map(|mount| mount.kind.source().map_or(mount.target, |(source, _)| source)).collect()
        }
        Step::MountTarget => mounts.map(|mount| mount.target).collect(),
        Step::DenySource
        | Step::DenyHardLink
        | Step::DenyCoversGrant
        | Step::DenyPlaceholder
        | Step::Deny => denies.collect(),
        Step::File => plan.files.iter().filter(|file| asked(file.origin)).map(|file| file.path).collect(),
        Step::Cwd => plan.identity.cwd.iter().map(|(path, _)| *path).collect(),
        _ => Vec::new(),
    };
    paths.dedup();
    let missing = |path: &Path<'_>| {
        let exists = context.exists.zip(resolve(*path, plan, context));
        exists.is_some_and(|(exists, resolved)| !exists(std::path::Path::new(&resolved)))
    };
    if failure.step == Step::MountSource && paths.len() > 1 && paths.iter().any(missing) {
        paths.retain(missing);
    }
    paths
}

/// `` `$work` (/home/u/work), by `write $work` (agent.msb:7:5) ``: the parameter that [`Step::ParamOverlap`] or
/// [`Step::ParamSame`] numbers.
fn other(failure: Failure, plan: &Plan<'_>, context: &Context<'_>) -> String {
    let overlap = failure.step == Step::ParamOverlap;
    if !overlap && failure.step != Step::ParamSame {
        return String::new();
    }
    let index = failure.errno.checked_sub(1).and_then(|index| u8::try_from(index).ok());
    let shows = plan.mounts.iter().find_map(|mount| match mount.kind {
        MountKind::Bind { source, rights, .. }
            if index.is_some_and(|index| source.base == Base::Param(index))
                && (rights.contains(Rights::WRITE) || !overlap) =>
        {
            Some((source, mount.origin))
        }
        MountKind::Overlay { source, .. }
            if !overlap && index.is_some_and(|index| source.base == Base::Param(index)) =>
        {
            Some((source, mount.origin))
        }
        _ => None,
    });
    let Some((source, origin)) = shows else { return "another parameter".to_owned() };
    let at = place::show(plan, origin).map_or_else(String::new, |at| format!(" ({at})"));
    let line = plan.origins.get(usize::from(origin.0)).map_or("", |origin| origin.text);
    format!("{}, by `{line}`{at},", show(source, plan, context))
}

fn one_of(mut names: Vec<String>) -> String {
    match (names.pop(), names.is_empty()) {
        (None, _) => "what this line names".to_owned(),
        (Some(last), true) => last,
        (Some(last), false) => format!("one of {} and {last}", names.join(", ")),
    }
}

/// `` `$workspace/src` (/home/u/src) ``: as written, and where that is.
fn show(path: Path<'_>, plan: &Plan<'_>, context: &Context<'_>) -> String {
    let written = written(path, plan);
    match resolve(path, plan, context) {
        Some(resolved) if resolved != written => format!("`{written}` ({resolved})"),
        _ => format!("`{written}`"),
    }
}

fn join(base: &str, rest: &str) -> String {
    if rest.is_empty() { base.to_owned() } else { format!("{}/{rest}", base.trim_end_matches('/')) }
}

/// A path as the policy writes it.
fn written(path: Path<'_>, plan: &Plan<'_>) -> String {
    match path.base {
        Base::Root => format!("/{}", path.rest),
        Base::Home => join("~", path.rest),
        Base::Param(_) => {
            let name = base_parameter(path, plan).map_or("?", |param| param.name);
            join(&format!("${name}"), path.rest)
        }
    }
}

/// A path as the host knows it, where that can be told.
fn resolve(path: Path<'_>, plan: &Plan<'_>, context: &Context<'_>) -> Option<String> {
    let base = match path.base {
        Base::Root => "/",
        Base::Home => context.home?,
        Base::Param(_) => value(&base_parameter(path, plan)?, context)?,
    };
    Some(join(base, path.rest))
}

fn base_parameter<'p>(path: Path<'_>, plan: &Plan<'p>) -> Option<Param<'p>> {
    match path.base {
        Base::Param(index) => plan.params.get(usize::from(index)).copied(),
        Base::Root | Base::Home => None,
    }
}

/// What a parameter is bound to.
fn value<'c>(param: &Param<'c>, context: &Context<'c>) -> Option<&'c str> {
    let set = context.params.iter().find(|(name, _)| name == param.name).map(|(_, value)| value.as_str());
    set.or(param.default)
}

/// The parameter that a line declares; of several, the first that has no value.
fn parameter<'p>(origin: OriginId, plan: &Plan<'p>, context: &Context<'p>) -> Option<Param<'p>> {
    let here = || plan.params.iter().filter(|param| param.origin == origin).copied();
    here().find(|param| value(param, context).is_none()).or_else(|| here().next())
}

/// The parameter that the network rule of a line names.
fn host<'p>(origin: OriginId, plan: &Plan<'p>) -> Option<Param<'p>> {
    let Network::Gateway(gateway) = &plan.network else { return None };
    let rules = gateway.rules.iter().map(|rule| (rule.origin, rule.peer));
    let claims = gateway.claims.iter().map(|claim| (claim.origin, claim.peer));
    rules.chain(claims).filter(|(line, _)| *line == origin).find_map(|(_, peer)| match peer {
        Peer::Param { index, .. } => plan.params.get(usize::from(index)).copied(),
        _ => None,
    })
}

/// `` `--set workspace=DIR` ``.
fn set(param: &Param<'_>) -> String {
    let value = match param.kind {
        ParamKind::Dir => "DIR",
        ParamKind::File => "FILE",
        ParamKind::Text => "TEXT",
        ParamKind::Host => "HOST",
        ParamKind::Secret => "env:NAME",
    };
    format!("`--set {}={value}`", param.name)
}

/// A value as it is shown: what is longer than a path can be is no path, and nobody reads it.
fn clipped(value: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 200;
    match value.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// What to say of a value that a shell was to change and did not: `~` is changed at the beginning of a word alone.
fn unexpanded(value: Option<&str>) -> &'static str {
    match value {
        Some("") => "it is empty: is the variable that it comes from set? ",
        Some(value) if value == "~" || value.starts_with("~/") => "write `$HOME` in place of `~` here: ",
        _ => "",
    }
}

/// The name that was set, but that the plan does not have, or that was set twice.
fn unknown(plan: &Plan<'_>, context: &Context<'_>) -> String {
    let names: Vec<&str> = context.params.iter().map(|(name, _)| name.as_str()).collect();
    let unknown = names.iter().find(|name| plan.params.iter().all(|param| param.name != **name));
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name);
    unknown.or(twice).map_or_else(|| "a parameter".to_owned(), |name| format!("`{name}`"))
}

fn declared(plan: &Plan<'_>) -> String {
    let names: Vec<String> = plan.params.iter().map(set).collect();
    match names.len() {
        0 => "the policy has no parameters".to_owned(),
        _ => format!("the policy takes {}", names.join(", ")),
    }
}

fn command(plan: &Plan<'_>, context: &Context<'_>) -> String {
    let given = context.command.first().map(|word| word.to_string_lossy().into_owned());
    let command = given.or_else(|| plan.command.first().map(|word| (*word).to_owned()));
    command.map_or_else(|| "the command".to_owned(), |word| format!("`{word}`"))
}

fn machines(plan: &Plan<'_>) -> String {
    let name = |arch| match arch {
        Arch::X86_64 => "x86_64",
        Arch::Aarch64 => "aarch64",
    };
    plan.filters.iter().map(|filter| name(filter.arch)).collect::<Vec<_>>().join(" and ")
}
