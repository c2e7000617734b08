//! The syntax tree: what was written, with a span on everything and nothing decided.

pub use msb_diag::Span;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What was written.
    pub node: T,
    /// Where.
    pub span: Span,
}

/// A name.
pub type Name = Spanned<String>;

/// `a.b.c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QName {
    /// Its parts, at least one.
    pub parts: Vec<Name>,
    /// All of it.
    pub span: Span,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// `edition N`; `None` where it is missing (a diagnostic was given).
    pub edition: Option<Spanned<u64>>,
    /// Imports.
    pub imports: Vec<Import>,
    /// Everything else, in order.
    pub items: Vec<Item>,
}

/// `import …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// `import "./org.msb" as org`.
    File {
        /// The path.
        path: Spanned<String>,
        /// The name that it gets.
        name: Name,
    },
    /// `import std.python`.
    Library(QName),
}

/// A top-level item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `profile …` or `policy …`.
    Block(Block),
    /// `group @x = …`.
    Group {
        /// With the `@`.
        name: Name,
        /// Its members.
        set: Set,
    },
    /// `const x = …`.
    Const {
        /// The name.
        name: Name,
        /// Its type, where written.
        ty: Option<Type>,
        /// Its value.
        value: Spanned<Value>,
    },
    /// `tool …`.
    Tool(Tool),
    /// `test "…" for …`.
    Test {
        /// The title.
        title: Spanned<String>,
        /// What is tested.
        of: QName,
        /// With these arguments.
        args: Vec<Arg>,
        /// What must hold.
        claims: Vec<Claim>,
        /// All of it.
        span: Span,
    },
}

/// Whether a block is a mixin or a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// `profile`: can be included.
    Profile,
    /// `policy`: can be compiled.
    Policy,
}

/// `profile name(params) { … }` or `policy name(params) extends … { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which.
    pub kind: BlockKind,
    /// `##` lines before it, joined by newlines, without the marks.
    pub doc: String,
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// `extends parent(args)`.
    pub extends: Option<Include>,
    /// What stands between the braces.
    pub stmts: Vec<Stmt>,
    /// From the keyword to the name.
    pub head: Span,
    /// All of it.
    pub span: Span,
}

/// `name: type = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Its default.
    pub default: Option<Spanned<Value>>,
    /// All of it.
    pub span: Span,
}

/// `name: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: Spanned<Value>,
}

/// A type, of a parameter or of a tool's argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// Which.
    pub kind: TypeKind,
    /// `(1..20)`, `(r"…")`, `(under $p)`.
    pub refine: Vec<Refine>,
    /// All of it.
    pub span: Span,
}

/// The kinds of types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// `dir`, `string`, `int`, …
    Name(String),
    /// `list<T>`.
    List(Box<Type>),
    /// `{a: T, b?: T}`.
    Record(Vec<ToolParam>),
    /// `"debug" | "release"`.
    OneOf(Vec<Spanned<String>>),
}

/// A refinement of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refine {
    /// `a..b`.
    Range(Spanned<u64>, Spanned<u64>),
    /// `r"…"`.
    Regex(Spanned<String>),
    /// `under $p`.
    Under(PathExpr),
    /// `in {…}`.
    In(Vec<Spanned<Value>>),
}

/// What can stand in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stmt {
    /// `##` lines before it.
    pub doc: String,
    /// Which.
    pub kind: StmtKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StmtKind {
    /// `include std.base`.
    Include(Include),
    /// `fs { … }`.
    Fs(Vec<FsRule>),
    /// `net …`.
    Net(Net),
    /// `syscalls { … }`.
    Syscalls(Vec<SysRule>),
    /// `limits { … }`.
    Limits {
        /// `hard`, where written.
        hard: Option<Span>,
        /// The limits.
        limits: Vec<LimitStmt>,
    },
    /// `caps none` is an empty list.
    Caps(Vec<Name>),
    /// `env { … }`.
    Env(Vec<EnvRule>),
    /// `exec { … }`.
    Exec(Vec<ExecRule>),
    /// `tools a, b`.
    ToolUse(Vec<QName>),
    /// `tool …`.
    Tool(Tool),
    /// `assert { … }`.
    Assert(Vec<Claim>),
    /// `accept MSB0611 because "…"`.
    Accept {
        /// The codes.
        codes: Vec<Name>,
        /// The reason; `None` where it is missing.
        because: Option<Spanned<String>>,
    },
    /// `sandbox { … }`: name and value pairs.
    Sandbox(Vec<(Name, Spanned<Value>)>),
}

/// A name with arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// What.
    pub name: QName,
    /// With these arguments.
    pub args: Vec<Arg>,
    /// All of it.
    pub span: Span,
}

/// One line of `fs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsRule {
    /// `##` lines before it.
    pub doc: String,
    /// What it does.
    pub verb: Spanned<FsVerb>,
    /// To what.
    pub paths: Vec<PathExpr>,
    /// How.
    pub options: Vec<FsOption>,
    /// All of it, from the verb.
    pub span: Span,
}

/// The verbs of `fs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the word of the language")]
pub enum FsVerb {
    Read,
    Write,
    Create,
    Append,
    Run,
    Deny,
    DenyRead,
    DenyWrite,
    DenyRun,
    Scratch,
    Overlay,
    Device,
    Socket,
    Proc,
}

/// An option of an `fs` rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsOption {
    /// Which.
    pub kind: FsOptionKind,
    /// All of it.
    pub span: Span,
}

/// The options of `fs` rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FsOptionKind {
    /// `at /path`.
    At(PathExpr),
    /// `size 1GiB`.
    Size(Spanned<Value>),
    /// `inodes 1000`.
    Inodes(Spanned<Value>),
    /// `from /path`.
    From(PathExpr),
    /// `optional`.
    Optional,
    /// `missing mask`.
    Missing(Name),
    /// `symlinks refuse`.
    Symlinks(Name),
    /// `enforce mount`.
    Enforce(Name),
    /// `beside ".git"`.
    Beside(Spanned<String>),
    /// `depth 3`.
    Depth(Spanned<Value>),
}

/// A path as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathExpr {
    /// How.
    pub kind: PathKind,
    /// Where.
    pub span: Span,
}

/// How a path was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathKind {
    /// `/a/b`, `~/a`, `./a`, `**/a`; quoted or bare.
    Path(String),
    /// `$name` and what follows it, with its leading `/`, or "".
    Var {
        /// Without `$`.
        name: Name,
        /// "" or "/…".
        rest: String,
    },
    /// `@std`.
    Group(String),
}

/// `net …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// `net none`.
    None,
    /// `net host`.
    Host,
    /// `net { … }`.
    Rules(Vec<NetRule>),
}

/// One line of `net`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRule {
    /// `##` lines before it.
    pub doc: String,
    /// What it does.
    pub kind: NetRuleKind,
    /// How.
    pub options: Vec<NetOption>,
    /// All of it.
    pub span: Span,
}

/// What a network rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the word of the language")]
pub enum NetRuleKind {
    Allow(Vec<Endpoint>),
    Deny(Vec<Endpoint>),
    Listen(Vec<Endpoint>),
    Total,
}

/// `tcp "host":443`, `unix /path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `tcp`, `udp`, `tls`, `https`, `http` or `unix`.
    pub protocol: Name,
    /// Who.
    pub peer: Peer,
    /// Ports; empty where none is written.
    pub ports: Vec<PortRange>,
    /// The port of the sandbox that is published there, where it is said.
    pub inside: Option<Spanned<u64>>,
    /// All of it.
    pub span: Span,
}

/// `80` or `80..90`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange {
    /// First.
    pub from: Spanned<u64>,
    /// Last; the same for a single port.
    pub to: Spanned<u64>,
}

/// The other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// `"api.openai.com"`.
    Text(Spanned<String>),
    /// `10.0.0.0/8`, `[::1]`, as written.
    Address(Spanned<String>),
    /// `any`, `private`, `host`, `metadata`.
    Word(Name),
    /// `$mirror`.
    Var(Name),
    /// Of `unix`.
    Path(PathExpr),
}

/// An option of a network rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetOption {
    /// Which.
    pub kind: NetOptionKind,
    /// All of it.
    pub span: Span,
}

/// The options of network rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetOptionKind {
    /// `only GET, HEAD "/a/*"`.
    Only {
        /// Methods.
        methods: Vec<Name>,
        /// Paths.
        paths: Vec<PathExpr>,
    },
    /// `inject $key`.
    Inject(Name),
    /// `inspect`.
    Inspect,
    /// `optional`.
    Optional,
    /// `rate 10/s burst 5`.
    Rate {
        /// The rate.
        rate: Spanned<Value>,
        /// The burst.
        burst: Option<Spanned<u64>>,
    },
    /// `quota 1GiB down`.
    Quota {
        /// How much.
        size: Spanned<Value>,
        /// `up` or `down`.
        direction: Option<Name>,
    },
    /// `connections 10`.
    Connections(Spanned<u64>),
}

/// One line of `syscalls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysRule {
    /// `##` lines before it.
    pub doc: String,
    /// What it does.
    pub kind: SysRuleKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of lines in `syscalls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SysRuleKind {
    /// `allow read, write where …`.
    Action {
        /// What happens.
        action: Action,
        /// To which calls.
        items: Vec<SysItem>,
    },
    /// `default errno EPERM`.
    Default(Action),
    /// `arch x86_64`.
    Arch(Vec<Name>),
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Which.
    pub kind: ActionKind,
    /// All of it.
    pub span: Span,
}

/// The actions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the word of the language")]
pub enum ActionKind {
    Allow,
    Log,
    Notify,
    Errno(Name),
    Trap,
    Kill,
}

/// A set of calls with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysItem {
    /// Which calls.
    pub set: Set,
    /// `where …`.
    pub predicate: Option<Pred>,
    /// `on x86_64 | aarch64`; empty is all.
    pub on: Vec<Name>,
    /// All of it.
    pub span: Span,
}

/// Set arithmetic over calls; `+`, `-` and `&` bind alike, from the left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Which.
    pub kind: SetKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    /// `@basic-io`, with the `@`.
    Group(String),
    /// `read`.
    Call(String),
    /// `syscall(300)`.
    Number(Spanned<u64>),
    /// `{read, write}`.
    Calls(Vec<Name>),
    /// `a + b`.
    Union(Box<Set>, Box<Set>),
    /// `a - b`.
    Minus(Box<Set>, Box<Set>),
    /// `a & b`.
    Both(Box<Set>, Box<Set>),
}

/// A condition as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pred {
    /// Which.
    pub kind: PredKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PredKind {
    /// `a or b`.
    Or(Vec<Pred>),
    /// `a and b`.
    And(Vec<Pred>),
    /// `not a`.
    Not(Box<Pred>),
    /// `arg == value`.
    Compare {
        /// The argument's name.
        arg: Name,
        /// How.
        op: CompareOp,
        /// With what.
        value: Spanned<Value>,
    },
    /// `arg in {a, b}`.
    In {
        /// The argument's name.
        arg: Name,
        /// The values.
        values: Vec<Spanned<Value>>,
    },
    /// `arg in a..b`.
    Range {
        /// The argument's name.
        arg: Name,
        /// First.
        from: Spanned<u64>,
        /// Last.
        to: Spanned<u64>,
    },
    /// `arg has any A | B`.
    Has {
        /// The argument's name.
        arg: Name,
        /// `any`, `all` or `only`.
        how: Has,
        /// The flags.
        flags: Vec<Spanned<Value>>,
    },
}

/// How flags are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    /// At least one is set.
    Any,
    /// All are set.
    All,
    /// No other is set.
    Only,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its sign")]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// `memory 1GiB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitStmt {
    /// What is limited.
    pub name: Name,
    /// To what; `unlimited` is an [`Value::Ident`].
    pub value: Spanned<Value>,
    /// Both.
    pub span: Span,
}

/// One line of `env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvRule {
    /// What it does.
    pub kind: EnvRuleKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of lines in `env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvRuleKind {
    /// `pass LANG, LC_*`.
    Pass(Vec<Name>),
    /// `set HOME = "/work"`.
    Set {
        /// The variable.
        name: Name,
        /// Its value.
        value: Spanned<Value>,
    },
    /// `secret TOKEN from $key`.
    Secret {
        /// The variable.
        name: Name,
        /// The parameter.
        from: Name,
    },
}

/// One line of `exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRule {
    /// What it does.
    pub kind: ExecRuleKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of lines in `exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecRuleKind {
    /// `command "python3" "-u"`.
    Command(Vec<Spanned<String>>),
    /// `user 1000`.
    User(Spanned<Value>),
    /// `cwd /work`.
    Cwd(PathExpr),
    /// `tty none`.
    Tty(Name),
    /// `hostname "box"`.
    Hostname(Spanned<String>),
}

/// `tool name(params) -> type { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// `##` lines before it.
    pub doc: String,
    /// The name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<ToolParam>,
    /// What it gives back.
    pub result: Option<Type>,
    /// How it runs.
    pub options: Vec<ToolOption>,
    /// All of it.
    pub span: Span,
}

/// `name?: type = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolParam {
    /// The name.
    pub name: Name,
    /// Whether `?` follows it.
    pub optional: bool,
    /// Its type.
    pub ty: Type,
    /// Its default.
    pub default: Option<Spanned<Value>>,
}

/// An option of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOption {
    /// Which.
    pub kind: ToolOptionKind,
    /// All of it.
    pub span: Span,
}

/// The options of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the word of the language")]
pub enum ToolOptionKind {
    Rate { rate: Spanned<Value>, burst: Option<Spanned<u64>> },
    Quota(Spanned<u64>),
    Timeout(Spanned<Value>),
    Concurrency(Spanned<u64>),
    Result(Spanned<Value>),
    Confirm,
    Exec(Vec<Spanned<Value>>),
    Stdin(Name),
    In(Include),
    Shim,
    Log(Name),
}

/// What an assertion or a test says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `##` lines before it.
    pub doc: String,
    /// What must hold.
    pub kind: ClaimKind,
    /// `by MSB…`.
    pub by: Option<Name>,
    /// `because "…"`.
    pub because: Option<Spanned<String>>,
    /// All of it.
    pub span: Span,
}

/// The kinds of claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimKind {
    /// `allow open …`.
    Allow(Probe),
    /// `deny open …`.
    Deny(Probe),
    /// `never connect …`.
    Never(Probe),
    /// `narrower than org.ceiling`.
    NarrowerThan(QName),
}

/// A request in a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `open /a for read`.
    Open {
        /// What.
        path: PathExpr,
        /// `read`, `write`, `create` or `run`.
        access: Name,
    },
    /// `connect tcp …`.
    Connect(Endpoint),
    /// `request POST https "api.example.org" /v1/x`
    Request {
        /// Of HTTP.
        method: Name,
        /// Who gets it.
        endpoint: Endpoint,
        /// Its path; without one it is every path.
        path: Option<PathExpr>,
    },
    /// `listen tcp …`.
    Listen(Endpoint),
    /// `syscall openat(flags: O_RDONLY) on x86_64`.
    Syscall {
        /// Which, or `@group`.
        set: Set,
        /// With these arguments.
        args: Vec<Arg>,
        /// On these architectures.
        on: Vec<Name>,
    },
    /// `call tool(a: 1)`.
    Call {
        /// Which tool.
        name: Name,
        /// With these arguments.
        args: Vec<Arg>,
    },
    /// `env NAME`.
    Env(Name),
}

/// A value as written; numbers are exact, units are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `"text"`, escapes resolved.
    Text(String),
    /// `12`, `0x1f`.
    Int(u64),
    /// `1.5GiB`, in bytes; exact, rounded down where the unit is a fraction of a byte.
    Size(u64),
    /// `1h30min`, in microseconds.
    Duration(u64),
    /// `10/min`: count and period in microseconds.
    Rate(u64, u64),
    /// `150%`.
    Percent(u64),
    /// `/a/b`, `~/a`.
    Path(String),
    /// `$name` and what follows.
    Var {
        /// Without `$`.
        name: Name,
        /// "" or "/…".
        rest: String,
    },
    /// `10.0.0.0/8`, `[::1]/64`, as written.
    Address(String),
    /// A bare word, such as `O_RDONLY` or `unlimited`.
    Ident(String),
    /// Flags joined by `|`.
    Flags(Vec<Spanned<Value>>),
    /// `[a, b]`.
    List(Vec<Spanned<Value>>),
}
