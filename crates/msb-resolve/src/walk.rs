//! One walk over the places of a statement where a name can stand, for looking and for replacing alike.

use msb_syntax::ast::{
    Arg, Claim, ClaimKind, Endpoint, EnvRuleKind, ExecRuleKind, FsOptionKind, Name, Net, NetOptionKind,
    NetRuleKind, PathExpr, Peer, Pred, PredKind, Probe, Refine, Set, SetKind, Spanned, Stmt, StmtKind,
    SysRuleKind, Tool, ToolOptionKind, ToolParam, Type, TypeKind, Value,
};

/// What is done at each place.
pub(crate) trait Visit {
    /// A path.
    fn path(&mut self, path: &mut PathExpr);
    /// A value; the members of lists and flags come one by one.
    fn value(&mut self, value: &mut Spanned<Value>);
    /// A value that measures something: `what` is the setting that takes it, such as `memory`.
    fn measure(&mut self, what: &str, value: &mut Spanned<Value>) {
        let _ = what;
        self.value(value);
    }
    /// A parameter's name, where the grammar takes nothing else (`inject $key`).
    fn name(&mut self, name: &mut Name);

    /// The parameter of a connection: who is dialled.
    fn host(&mut self, name: &mut Name) {
        self.name(name);
    }
    /// A group, with its `@`.
    fn group(&mut self, group: &mut String);
}

/// Walks over `stmt`. The arguments of an `include` are left to who binds them.
pub(crate) fn stmt(stmt: &mut Stmt, visit: &mut dyn Visit) {
    match &mut stmt.kind {
        StmtKind::Include(_) | StmtKind::Caps(_) | StmtKind::ToolUse(_) | StmtKind::Accept { .. } => {}
        StmtKind::Fs(rules) => {
            for rule in rules {
                rule.paths.iter_mut().for_each(|path| visit.path(path));
                rule.options.iter_mut().for_each(|option| fs_option(&mut option.kind, visit));
            }
        }
        StmtKind::Net(net) => network(net, visit),
        StmtKind::Syscalls(rules) => {
            for rule in rules {
                if let SysRuleKind::Action { items, .. } = &mut rule.kind {
                    for item in items {
                        set(&mut item.set, visit);
                        item.predicate.iter_mut().for_each(|pred| predicate(pred, visit));
                    }
                }
            }
        }
        StmtKind::Limits { limits, .. } => {
            limits.iter_mut().for_each(|it| visit.measure(&it.name.node, &mut it.value));
        }
        StmtKind::Env(rules) => {
            for rule in rules {
                match &mut rule.kind {
                    EnvRuleKind::Pass(_) => {}
                    EnvRuleKind::Set { value: it, .. } => value(it, visit),
                    EnvRuleKind::Secret { from, .. } => visit.name(from),
                }
            }
        }
        StmtKind::Exec(rules) => {
            for rule in rules {
                match &mut rule.kind {
                    ExecRuleKind::Cwd(path) => visit.path(path),
                    ExecRuleKind::User(it) => value(it, visit),
                    ExecRuleKind::Command(_) | ExecRuleKind::Tty(_) | ExecRuleKind::Hostname(_) => {}
                }
            }
        }
        StmtKind::Tool(it) => tool(it, visit),
        StmtKind::Assert(claims) => claims.iter_mut().for_each(|it| claim(it, visit)),
        StmtKind::Sandbox(pairs) => pairs.iter_mut().for_each(|(_, it)| value(it, visit)),
    }
}

fn fs_option(option: &mut FsOptionKind, visit: &mut dyn Visit) {
    match option {
        FsOptionKind::At(path) | FsOptionKind::From(path) => visit.path(path),
        FsOptionKind::Size(it) => visit.measure("size", it),
        FsOptionKind::Inodes(it) => visit.measure("inodes", it),
        FsOptionKind::Depth(it) => visit.measure("depth", it),
        FsOptionKind::Optional
        | FsOptionKind::Missing(_)
        | FsOptionKind::Symlinks(_)
        | FsOptionKind::Beside(_)
        | FsOptionKind::Enforce(_) => {}
    }
}

fn network(net: &mut Net, visit: &mut dyn Visit) {
    let Net::Rules(rules) = net else { return };
    for rule in rules {
        match &mut rule.kind {
            NetRuleKind::Allow(ends) | NetRuleKind::Deny(ends) | NetRuleKind::Listen(ends) => {
                ends.iter_mut().for_each(|end| endpoint(end, visit));
            }
            NetRuleKind::Total => {}
        }
        for option in &mut rule.options {
            match &mut option.kind {
                NetOptionKind::Only { paths, .. } => paths.iter_mut().for_each(|path| visit.path(path)),
                NetOptionKind::Inject(name) => visit.name(name),
                NetOptionKind::Rate { rate: it, .. } => visit.measure("rate", it),
                NetOptionKind::Quota { size: it, .. } => visit.measure("quota", it),
                NetOptionKind::Inspect | NetOptionKind::Optional | NetOptionKind::Connections(_) => {}
            }
        }
    }
}

fn endpoint(end: &mut Endpoint, visit: &mut dyn Visit) {
    match &mut end.peer {
        Peer::Var(name) => visit.host(name),
        Peer::Path(path) => visit.path(path),
        Peer::Text(_) | Peer::Address(_) | Peer::Word(_) => {}
    }
}

/// Walks over `set`.
pub(crate) fn set(set: &mut Set, visit: &mut dyn Visit) {
    match &mut set.kind {
        SetKind::Group(name) => visit.group(name),
        SetKind::Call(_) | SetKind::Number(_) | SetKind::Calls(_) => {}
        SetKind::Union(a, b) | SetKind::Minus(a, b) | SetKind::Both(a, b) => {
            self::set(a, visit);
            self::set(b, visit);
        }
    }
}

fn predicate(pred: &mut Pred, visit: &mut dyn Visit) {
    match &mut pred.kind {
        PredKind::Or(all) | PredKind::And(all) => all.iter_mut().for_each(|it| predicate(it, visit)),
        PredKind::Not(it) => predicate(it, visit),
        PredKind::Compare { value: it, .. } => value(it, visit),
        PredKind::In { values, .. } | PredKind::Has { flags: values, .. } => {
            values.iter_mut().for_each(|it| value(it, visit));
        }
        PredKind::Range { .. } => {}
    }
}

/// Walks over `value`.
pub(crate) fn value(value: &mut Spanned<Value>, visit: &mut dyn Visit) {
    match &mut value.node {
        Value::Flags(all) | Value::List(all) => all.iter_mut().for_each(|it| self::value(it, visit)),
        _ => visit.value(value),
    }
}

fn args(args: &mut [Arg], visit: &mut dyn Visit) {
    args.iter_mut().for_each(|arg| value(&mut arg.value, visit));
}

fn tool(tool: &mut Tool, visit: &mut dyn Visit) {
    // What is passed to the tool is its own, and no name of the policy.
    let own: Vec<String> = tool.params.iter().map(|param| param.name.node.clone()).collect();
    let is_own = |value: &Value| matches!(value, Value::Var { name, .. } if own.contains(&name.node));
    tool.params.iter_mut().for_each(|param| tool_param(param, visit));
    tool.result.iter_mut().for_each(|ty| written_type(ty, visit));
    for option in &mut tool.options {
        match &mut option.kind {
            ToolOptionKind::Rate { rate: it, .. }
            | ToolOptionKind::Timeout(it)
            | ToolOptionKind::Result(it) => value(it, visit),
            ToolOptionKind::Exec(words) => {
                words.iter_mut().filter(|it| !is_own(&it.node)).for_each(|it| value(it, visit));
            }
            ToolOptionKind::Stdin(_) => {}
            ToolOptionKind::In(include) => args(&mut include.args, visit),
            ToolOptionKind::Quota(_)
            | ToolOptionKind::Concurrency(_)
            | ToolOptionKind::Confirm
            | ToolOptionKind::Shim
            | ToolOptionKind::Log(_) => {}
        }
    }
}

fn tool_param(param: &mut ToolParam, visit: &mut dyn Visit) {
    written_type(&mut param.ty, visit);
    param.default.iter_mut().for_each(|it| value(it, visit));
}

fn written_type(ty: &mut Type, visit: &mut dyn Visit) {
    match &mut ty.kind {
        TypeKind::Name(_) | TypeKind::OneOf(_) => {}
        TypeKind::List(of) => written_type(of, visit),
        TypeKind::Record(fields) => fields.iter_mut().for_each(|it| tool_param(it, visit)),
    }
    for refine in &mut ty.refine {
        match refine {
            Refine::Range(..) | Refine::Regex(_) => {}
            Refine::Under(path) => visit.path(path),
            Refine::In(values) => values.iter_mut().for_each(|it| value(it, visit)),
        }
    }
}

/// Walks over `claim`.
pub(crate) fn claim(claim: &mut Claim, visit: &mut dyn Visit) {
    let (ClaimKind::Allow(probe) | ClaimKind::Deny(probe) | ClaimKind::Never(probe)) = &mut claim.kind else {
        return;
    };
    match probe {
        Probe::Open { path, .. } => visit.path(path),
        Probe::Connect(end) | Probe::Listen(end) => endpoint(end, visit),
        Probe::Request { endpoint: end, path, .. } => {
            endpoint(end, visit);
            path.iter_mut().for_each(|path| visit.path(path));
        }
        Probe::Syscall { set: it, args: given, .. } => {
            set(it, visit);
            args(given, visit);
        }
        Probe::Call { args: given, .. } => args(given, visit),
        Probe::Env(_) => {}
    }
}
