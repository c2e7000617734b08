//! Words of the language with what they mean, for completion and hover.

use crate::site::Place;
use msb_syntax::words;

/// Whether `word` is one of those of a place of the grammar.
pub(crate) fn has(place: &str, word: &str) -> bool {
    of(place).contains(&word)
}

/// The words of a place of the grammar.
pub(crate) fn of(place: &str) -> &'static [&'static str] {
    words().iter().find(|it| it.place == place).map_or(&[], |it| it.words)
}

/// Limits and what they count.
pub(crate) const LIMITS: &[(&str, &str)] = &[
    ("memory", "bytes that the programs may use together"),
    ("pids", "processes and threads at a time"),
    ("cpu", "CPUs, or percent of one"),
    ("wall", "time from start to end"),
    ("files", "open descriptors of each process"),
    ("swap", "bytes that may be swapped out, besides memory"),
    ("cpuset", "how many CPUs it may run on"),
    ("cpu_time", "time on CPUs, of all processes together"),
    ("io", "bytes a second from and to each disk"),
    ("io_weight", "share of a disk, from 1 to 10000; 100 is as everybody"),
    ("fsize", "bytes of the largest file that may be written"),
    ("output", "bytes of standard output and error"),
];

/// Types of parameters.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("dir", "a directory that exists"),
    ("file", "a regular file that exists"),
    ("path", "a file or a directory"),
    ("string", "a text"),
    ("int", "a whole number"),
    ("size", "bytes, such as 512MiB"),
    ("duration", "a time, such as 1h30min"),
    ("rate", "a count in a time, such as 10/min"),
    ("percent", "a share, such as 150%"),
    ("host", "the name of a host"),
    ("port", "a port"),
    ("secret", "a value that no program sees"),
    ("list", "several values: list<string>"),
];

/// What the words of the language mean, by the place they stand in.
const MEANINGS: &[(Place, &str, &str)] = &[
    (Place::File, "edition", "the edition of the language, first in every file"),
    (Place::File, "import", "makes the declarations of another file or library known"),
    (Place::File, "policy", "what a command may do; everything else is denied"),
    (Place::File, "profile", "rules to be included in policies"),
    (Place::File, "group", "a named set of system calls"),
    (Place::File, "const", "a named value"),
    (Place::File, "tool", "something that a program may ask the host to do"),
    (Place::File, "test", "claims about a policy with certain arguments"),
    (Place::File, "extends", "takes another policy's rules and may only narrow them"),
    (Place::Block, "include", "adds the rules of a profile, its denies among them"),
    (Place::Block, "fs", "what is seen of the file system; all else is not there"),
    (Place::Block, "net", "what can be reached; without it there is no network"),
    (Place::Block, "syscalls", "which system calls are allowed; unlisted ones fail with EPERM"),
    (Place::Block, "limits", "how much of the machine may be used"),
    (Place::Block, "caps", "capabilities that are kept; `none` is none"),
    (Place::Block, "env", "which variables there are"),
    (Place::Block, "exec", "what is run, as whom and where"),
    (Place::Block, "tools", "tools that may be called"),
    (Place::Block, "tool", "something that a program may ask the host to do"),
    (Place::Block, "assert", "requests that must be allowed or denied, checked at every compilation"),
    (Place::Block, "accept", "takes back a warning, with the reason why it is fine here"),
    (Place::Block, "sandbox", "settings of the sandbox itself"),
    (Place::Block, "hard", "refuses to start unless a cgroup holds every limit"),
    (Place::Fs, "read", "can be read"),
    (Place::Fs, "write", "can be read, written, created and removed, not run"),
    (Place::Fs, "create", "new files can be made"),
    (Place::Fs, "append", "can be added to"),
    (Place::Fs, "run", "can be read and run"),
    (Place::Fs, "deny", "takes rights away below a granted path, whatever else grants them"),
    (Place::Fs, "scratch", "an empty directory in memory, gone at the end"),
    (Place::Fs, "overlay", "can be written, and what was written is discarded at the end"),
    (Place::Fs, "device", "device nodes; `@std` are null, zero, full, random, urandom and tty"),
    (Place::Fs, "socket", "a Unix socket that can be connected to"),
    (Place::Fs, "proc", "/proc of the sandbox's own processes"),
    (Place::Fs, "at", "where it is seen inside"),
    (Place::Fs, "size", "how many bytes fit"),
    (Place::Fs, "inodes", "how many files and directories fit"),
    (Place::Fs, "from", "where it comes from on the host"),
    (Place::Fs, "optional", "may be missing on the host"),
    (Place::Fs, "missing", "what happens where a denied path does not exist: mask, fail or skip"),
    (Place::Fs, "symlinks", "whether symbolic links are followed below it"),
    (Place::Fs, "enforce", "`snapshot` after a deny of `DIR/**/NAME`: where a search at launch finds it"),
    (Place::Fs, "beside", "what a search looks for, where that is not what is denied: `beside \".git\"`"),
    (Place::Fs, "depth", "how many levels below the folder a search goes"),
    (Place::Net, "allow", "can be reached"),
    (Place::Net, "deny", "cannot be reached, whatever else allows it"),
    (Place::Net, "listen", "a port inside is published on the host's loopback"),
    (Place::Net, "at", "the port inside, where it is another than the host's"),
    (Place::Net, "total", "limits of the whole policy"),
    (Place::Net, "only", "methods and paths that are allowed; needs TLS inspection"),
    (Place::Net, "inject", "adds a secret to requests, which the program never sees"),
    (Place::Net, "inspect", "terminates TLS at the gateway"),
    (Place::Net, "rate", "requests or connections in a time"),
    (Place::Net, "quota", "bytes in all"),
    (Place::Net, "connections", "connections at a time"),
    (Place::Net, "tls", "the name in the handshake must be the rule's; bytes stay encrypted"),
    (Place::Net, "https", "like tls, until a rule asks for more"),
    (Place::Net, "any", "every address"),
    (Place::Net, "private", "addresses of private networks"),
    (Place::Net, "host", "the host's own loopback"),
    (Place::Net, "metadata", "addresses of cloud metadata services"),
    (Place::Syscalls, "allow", "is carried out"),
    (Place::Syscalls, "log", "is carried out and logged"),
    (Place::Syscalls, "notify", "is decided by the broker"),
    (Place::Syscalls, "errno", "fails with this error"),
    (Place::Syscalls, "trap", "sends SIGSYS"),
    (Place::Syscalls, "kill", "ends the program"),
    (Place::Syscalls, "default", "what happens to calls that no rule names"),
    (Place::Syscalls, "arch", "instruction sets that are allowed"),
    (Place::Syscalls, "where", "a condition on arguments, of the calls just before it"),
    (Place::Syscalls, "on", "only on these instruction sets"),
    (Place::Env, "pass", "taken over from who launches"),
    (Place::Env, "set", "with this value"),
    (Place::Env, "secret", "with the value of a secret parameter"),
    (Place::Exec, "command", "the program and its arguments, where none are given at launch"),
    (Place::Exec, "user", "the user inside"),
    (Place::Exec, "cwd", "the working directory inside"),
    (Place::Exec, "tty", "`none`, or a `private` terminal"),
    (Place::Exec, "hostname", "the host's name inside"),
    (Place::Claims, "request", "a request of HTTP, by method and path"),
    (Place::Claims, "allow", "must be allowed"),
    (Place::Claims, "deny", "must be denied"),
    (Place::Claims, "never", "must be denied for all parameters"),
    (Place::Claims, "narrower", "must allow no more than another policy"),
    (Place::Tool, "rate", "calls in a time"),
    (Place::Tool, "quota", "calls in all"),
    (Place::Tool, "timeout", "time for one call"),
    (Place::Tool, "concurrency", "calls at a time"),
    (Place::Tool, "result", "bytes of a result"),
    (Place::Tool, "confirm", "a person is asked each time"),
    (Place::Tool, "exec", "the command, never through a shell; `$name` is one argument"),
    (Place::Tool, "stdin", "the parameter that goes to standard input"),
    (Place::Tool, "in", "the policy that the call runs under"),
    (Place::Tool, "shim", "a command of this name inside forwards to the tool"),
    (Place::Tool, "log", "what is logged of calls"),
];

/// What a word means in a place.
pub(crate) fn meaning(place: Place, word: &str) -> Option<&'static str> {
    let here = MEANINGS.iter().find(|(at, known, _)| *at == place && *known == word);
    here.map(|(.., meaning)| *meaning)
}
