(comment) @comment
(doc) @comment.documentation
(string) @string
(regex) @string.regexp
(path) @string.special.path
(number) @number
(address) @constant
(group) @constant.builtin
(variable) @variable.parameter
(code) @constant
(method) @constant

(policy name: (name) @type)
(profile name: (name) @type)
(tool name: (name) @function)
(param name: (name) @variable.parameter)
(arg name: (name) @property)
(limit name: (name) @property)
(compare argument: (name) @property)
(type (name) @type)
(fs_verb) @keyword
(action) @keyword

[
  "edition" "import" "as" "profile" "policy" "extends" "group" "const" "test" "for" "include" "fs" "net" "syscalls"
  "limits" "caps" "env" "exec" "tools" "tool" "assert" "accept" "because" "sandbox"
] @keyword

["where" "and" "or" "not" "in" "has" "on"] @keyword.operator
["->" "==" "!=" "<" "<=" ">" ">=" "=" "|" "&" "+" "-" ".."] @operator
["{" "}" "(" ")" "[" "]"] @punctuation.bracket
["," ":" "."] @punctuation.delimiter
