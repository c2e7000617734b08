; Later patterns win over earlier ones in Neovim and Helix alike, so the particular ones come last.
[
  "accept" "all" "any" "append" "arch" "args" "as" "assert" "at" "because" "beside" "broker" "burst" "by" "call" "caps"
  "command" "concurrency" "confirm" "connect" "connections" "const" "create" "cwd" "default" "depth" "device" "down" "edition"
  "enforce" "env" "exec" "extends" "fail" "follow" "for" "from" "fs" "group" "hard" "has" "host" "hostname" "http"
  "https" "include" "inject" "inodes" "inspect" "limits" "list" "listen" "mask" "metadata" "missing" "mount"
  "narrower" "net" "none" "only" "open" "optional" "pass" "policy" "private" "profile" "quota" "rate" "refuse" "request" "result"
  "run" "sandbox" "secret" "set" "shim" "size" "skip" "snapshot" "stdin" "symlinks" "syscall" "syscalls" "tcp" "test"
  "than" "timeout" "tls" "tool" "tools" "total" "tty" "udp" "under" "unix" "unlimited" "up" "user" "where" "write"
  "read" "log" "on"
] @keyword
"import" @keyword.import
["and" "or" "not" "in"] @keyword.operator
["allow" "deny" "never"] @keyword
(fs_verb) @keyword
(action) @keyword

(comment) @comment
(doc) @comment.documentation
(string) @string
(regex) @string.regexp
[(path) (below)] @string.special.path
[(int) (size) (duration) (rate) (percent)] @number
(address) @constant
(code) @constant
(method) @constant.builtin
(group) @constant.builtin
(variable) @variable.parameter

(name) @variable
(qname (name) @module)
(type (name) @type)
(policy name: (name) @type)
(profile name: (name) @type)
(constant name: (name) @constant)
(tool name: (name) @function)
(probe "call" (name) @function)
(param name: (name) @variable.parameter)
(tool_param name: (name) @variable.parameter)
(arg name: (name) @property)
(limit name: (name) @property)
(setting name: (name) @property)
(compare argument: (name) @property)
(syscall_item (name) @function.builtin)
(set_operation (name) @function.builtin)
(env_name) @constant

["->" "==" "!=" "<" "<=" ">" ">=" "=" "|" "&" "+" "-" ".." "?"] @operator
["{" "}" "(" ")" "[" "]"] @punctuation.bracket
["," ":" "."] @punctuation.delimiter
