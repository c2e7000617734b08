//! HTTP requests: what a policy says of one, by method and path.
//!
//! Requests are decided where the gateway reads them; a connection that it passes on unread carries any. A path is
//! decided as servers read it, and one that they read differently is what no pattern is about.

use crate::{Connection, Decision, Method, NetKind, Only, OriginId, Policy, SyscallAction, Terms};
use msb_host::{Host, Kind, kind};
use std::collections::{BTreeSet, HashSet, VecDeque};

/// EACCES: a request that is answered with 403 (RFC 9110, 15.5.4).
const EACCES: u16 = 13;
/// States of the search for a path that no pattern covers; those of patterns as people write them are a few dozen. Beyond
/// them there is said to be none, so that an `allow` of all paths may hold and a `deny` never does.
const STATES_MAX: usize = 65_536;

/// A request that a program makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The connection that carries it: `https` or `http`, without a method.
    pub connection: Connection,
    /// Its method.
    pub method: Method,
    /// Its path as a URL has it, percent-encoding included, without a query.
    pub path: String,
}

impl Policy {
    /// Decides a request, its connection included. Where a connection is made and not this request, the line is that of the
    /// first rule for the connection.
    #[must_use]
    pub fn request(&self, request: &HttpRequest) -> Decision {
        let connection = self.connect(&request.connection);
        if connection.action != SyscallAction::Allow || self.is_own_loopback(&request.connection) {
            return connection;
        }
        let plain = as_served(&request.path);
        let allows = |terms: &Terms| {
            terms.only.as_ref().is_none_or(|only| only.covers(request.method, plain.as_deref()))
        };
        let rules = || self.rules_for(&request.connection);
        match rules().filter(|(terms, _)| allows(terms)).map(|(_, origin)| origin).min() {
            Some(origin) => Decision { action: SyscallAction::Allow, origin: Some(origin) },
            None => {
                let origin = rules().map(|(_, origin)| origin).min();
                Decision { action: SyscallAction::Errno(EACCES), origin }
            }
        }
    }

    /// Paths at which the policy can change its mind about requests with `method` on `connection`: one that each pattern
    /// covers, and one that none does where there is any.
    #[must_use]
    pub fn paths(&self, connection: &Connection, method: Method) -> Vec<String> {
        let rules: Vec<&Only> =
            self.rules_for(connection).filter_map(|(terms, _)| terms.only.as_ref()).collect();
        let patterns: Vec<&String> =
            rules.iter().filter(|only| only.methods.contains(&method)).flat_map(|only| &only.paths).collect();
        let mut paths: Vec<String> = patterns.iter().map(|pattern| instance(pattern)).collect();
        paths.extend(uncovered(&patterns));
        if paths.is_empty() {
            paths.push("/".to_owned());
        }
        paths
    }

    /// The rules that allow `connection`, whatever is said on it.
    fn rules_for(&self, connection: &Connection) -> impl Iterator<Item = (&Terms, OriginId)> {
        self.net.rules().iter().filter_map(move |rule| match &rule.kind {
            NetKind::Allow { endpoint, terms } if endpoint.accepts(connection) => Some((terms, rule.origin)),
            _ => None,
        })
    }

    fn is_own_loopback(&self, connection: &Connection) -> bool {
        matches!(&connection.peer, crate::Peer::Host(Host::Address(it)) if kind(it.first()) == Kind::Loopback)
    }

    /// A request as a claim says it.
    #[must_use]
    pub fn shown_request(&self, request: &HttpRequest) -> String {
        let HttpRequest { connection, method, path } = request;
        let (protocol, peer) = (connection.protocol.word(), self.shown_peer(&connection.peer));
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._+@%=~*?/-".contains(letter);
        let path = if path.chars().all(plain) { path.clone() } else { format!("\"{path}\"") };
        format!("request {} {protocol} {peer}:{} {path}", method.word(), connection.port)
    }
}

impl Only {
    /// Whether it is about requests with `method` and the path `plain`, which is `None` where servers do not agree on it.
    fn covers(&self, method: Method, plain: Option<&str>) -> bool {
        let covers = |path: &str| self.paths.iter().any(|pattern| Pattern::new(pattern).covers(path));
        self.methods.contains(&method) && (self.paths.is_empty() || plain.is_some_and(covers))
    }
}

/// A path as servers read it, percent-encoding undone; `None` where some would read it as another: with segments that are
/// empty, go up or stay, with signs that end a segment for some, encoded twice, or that are no text.
fn as_served(path: &str) -> Option<String> {
    let decoded = decode(path)?;
    let segments: Vec<&str> = decoded.strip_prefix('/')?.split('/').collect();
    let moves = |segment: &&str| matches!(segment.split(';').next(), Some("." | ".."));
    let empty = segments.iter().rev().skip(1).any(|segment| segment.is_empty());
    let encoded_slash = decoded.matches('/').count() != path.matches('/').count();
    let odd = |letter: char| letter == '\\' || letter.is_control();
    // A percent sign that was itself encoded may be the beginning of another encoding.
    let twice = path.contains("%25");
    let refused = empty || encoded_slash || twice || decoded.contains(odd) || segments.iter().any(moves);
    (!refused).then_some(decoded)
}

/// Undoes percent-encoding (RFC 3986, 2.1).
fn decode(path: &str) -> Option<String> {
    let (first, rest) = match path.split_once('%') {
        None => return Some(path.to_owned()),
        Some((first, _)) => path.split_at(first.len()),
    };
    let mut bytes = first.as_bytes().to_vec();
    for part in rest.split('%').skip(1) {
        let (digits, plain) = part.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A pattern of paths.
struct Pattern {
    letters: Vec<char>,
}

/// Which beginnings of a pattern cover what was read.
type Reached = BTreeSet<usize>;

impl Pattern {
    fn new(text: &str) -> Pattern {
        Pattern { letters: text.chars().collect() }
    }

    fn covers(&self, path: &str) -> bool {
        let reached = path.chars().fold(self.begin(), |reached, letter| self.read(&reached, letter));
        self.is_end(&reached)
    }

    fn begin(&self) -> Reached {
        self.with_stars([0].into())
    }

    fn is_end(&self, reached: &Reached) -> bool {
        reached.contains(&self.letters.len())
    }

    fn read(&self, reached: &Reached, letter: char) -> Reached {
        let inner = letter != '/';
        let next = reached.iter().filter_map(|at| match self.letters.get(*at)? {
            // A star goes on: it reads what it may and stays. Of several, the first stands for all.
            '*' => (inner || self.is_deep(*at)).then_some(*at),
            '?' => inner.then_some(at + 1),
            own => (*own == letter).then_some(at + 1),
        });
        self.with_stars(next.collect())
    }

    /// A star may stand for nothing.
    fn with_stars(&self, mut reached: Reached) -> Reached {
        let mut last = 0;
        while let Some(at) = reached.range(last..).next().copied() {
            if self.letters.get(at) == Some(&'*') {
                reached.insert(at + 1);
            }
            last = at + 1;
        }
        reached
    }

    /// Whether the star at `at` is one of several, which stand for slashes too.
    fn is_deep(&self, at: usize) -> bool {
        let star = |at: Option<usize>| at.and_then(|at| self.letters.get(at)) == Some(&'*');
        star(at.checked_sub(1)) || star(Some(at + 1))
    }
}

/// A path that `pattern` covers.
fn instance(pattern: &str) -> String {
    let mut path = String::new();
    for letter in pattern.chars() {
        match letter {
            '*' if path.ends_with("any") => {}
            '*' => path.push_str("any"),
            '?' => path.push('a'),
            letter => path.push(letter),
        }
    }
    path
}

/// The shortest path that none of `patterns` covers.
///
/// What no pattern covers stays so when each letter of it is another that no pattern has: so paths of that letter and
/// slashes are all that is looked through.
fn uncovered(patterns: &[&String]) -> Option<String> {
    let own: HashSet<char> = patterns.iter().flat_map(|pattern| pattern.chars()).collect();
    let fresh =
        ('a'..='z').chain('A'..='Z').chain('0'..='9').chain('\u{100}'..).find(|it| !own.contains(it))?;
    let all: Vec<Pattern> = patterns.iter().map(|pattern| Pattern::new(pattern)).collect();
    let read = |state: &[Reached], letter: char| -> Vec<Reached> {
        all.iter().zip(state).map(|(pattern, reached)| pattern.read(reached, letter)).collect()
    };
    let begin: Vec<Reached> = all.iter().map(Pattern::begin).collect();
    let mut queue = VecDeque::from([("/".to_owned(), read(&begin, '/'))]);
    let mut known: HashSet<(bool, Vec<Reached>)> = HashSet::new();
    while let Some((path, state)) = queue.pop_front() {
        if !all.iter().zip(&state).any(|(pattern, reached)| pattern.is_end(reached)) {
            return Some(path);
        }
        for letter in [fresh, '/'].into_iter().filter(|letter| *letter != '/' || !path.ends_with('/')) {
            let next = read(&state, letter);
            if known.len() < STATES_MAX && known.insert((letter == '/', next.clone())) {
                queue.push_back((format!("{path}{letter}"), next));
            }
        }
    }
    None
}

#[cfg(test)]
#[path = "tests/request.rs"]
mod tests;
