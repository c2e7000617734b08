// The grammar of .msb policies, edition 2026, for editors: `../msb.ebnf` rule by rule.
//
// Keywords are contextual. tree-sitter's keyword extraction gives a word its meaning by what the parser can take
// at the place, so `read` is a verb inside `fs` and a name inside `syscalls`; where both are possible, `name` says
// which words are names as well.

const list1 = (rule, sign = ',') => seq(rule, repeat(seq(sign, rule)));
const list0 = (rule) => optional(list1(rule));
const block = (rule) => seq('{', repeat(rule), '}');
const documented = ($, rule) => seq(repeat($.doc), rule);

// What a policy has of control characters: tabs and line ends.
const visible = '[^\\x00-\\x08\\x0A-\\x1F\\x7F-\\x9F]';
const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})';

module.exports = grammar({
  name: 'msb',
  word: ($) => $.word,
  extras: ($) => [/[ \t\n]|\r\n/, $.comment],

  rules: {
    file: ($) => seq(optional('\uFEFF'), $.edition, repeat($.import), repeat($._item)),
    edition: ($) => seq('edition', $.int),
    import: ($) => seq('import', choice(seq($.string, 'as', field('name', $.name)), $.qname)),
    _item: ($) => documented($, choice($.profile, $.policy, $.group_declaration, $.constant, $.tool, $.test)),

    // ---- declarations
    profile: ($) => seq('profile', field('name', $.name), optional($.params), $.body),
    policy: ($) =>
      seq('policy', field('name', $.name), optional($.params), optional(seq('extends', $.reference)), $.body),
    body: ($) => block($._statement),
    params: ($) => seq('(', list0($.param), ')'),
    param: ($) => seq(field('name', $.name), ':', $.type, optional(seq('=', $._value))),
    args: ($) => seq('(', list0($.arg), ')'),
    arg: ($) => seq(field('name', $.name), ':', $._value),
    reference: ($) => prec.right(seq($.qname, optional($.args))),
    group_declaration: ($) => seq('group', $.group, '=', $._set),
    constant: ($) => seq('const', field('name', $.name), optional(seq(':', $.type)), '=', $._value),

    _statement: ($) =>
      documented($, choice(
        $.include, $.fs, $.net, $.syscalls, $.limits, $.caps, $.env, $.exec, $.tools, $.tool, $.assert, $.accept,
        $.sandbox,
      )),
    include: ($) => seq('include', $.reference),
    fs: ($) => seq('fs', block(documented($, $.fs_rule))),
    net: ($) => seq('net', choice('none', 'host', block(documented($, $.net_rule)))),
    syscalls: ($) => seq('syscalls', block(documented($, $.syscall_rule))),
    limits: ($) => seq('limits', optional('hard'), block(documented($, $.limit))),
    caps: ($) => seq('caps', choice('none', list1($.name))),
    env: ($) => seq('env', block(documented($, $.env_rule))),
    exec: ($) => seq('exec', block(documented($, $.exec_rule))),
    tools: ($) => seq('tools', list1($.qname)),
    assert: ($) => seq('assert', block(documented($, $.claim))),
    accept: ($) => seq('accept', list1($.code), 'because', $.string),
    sandbox: ($) => seq('sandbox', block(documented($, $.setting))),

    // ---- file system
    fs_rule: ($) => prec.right(seq(field('verb', $.fs_verb), list1($._path), repeat($.fs_option))),
    fs_verb: ($) =>
      choice(
        'read', 'write', 'create', 'append', 'run', 'scratch', 'overlay', 'device', 'socket', 'proc',
        prec.right(seq('deny', optional(choice('read', 'write', 'run')))),
      ),
    fs_option: ($) =>
      choice(
        seq('at', $._path), seq('size', $._quantity), seq('inodes', $._quantity), seq('from', $._path), 'optional',
        seq('missing', choice('mask', 'fail', 'skip')), seq('symlinks', choice('refuse', 'follow')),
        seq('enforce', choice('mount', 'snapshot', 'broker')), seq('beside', $.string), seq('depth', $._quantity),
      ),

    // ---- network
    net_rule: ($) =>
      prec.right(
        choice(
          seq(choice('allow', 'deny'), list1($.endpoint), repeat($.net_option)),
          seq('listen', list1($._published)),
          seq('total', repeat1($.net_limit)),
        ),
      ),
    endpoint: ($) =>
      choice(
        seq(choice('tcp', 'udp', 'tls', 'https', 'http'), $._peer, optional(seq(':', $.ports))),
        seq('unix', $._path),
      ),
    _published: ($) => seq($.endpoint, optional(seq('at', $.int))),
    _peer: ($) => choice($.string, $.address, 'any', 'private', 'host', 'metadata', $.variable),
    ports: ($) => choice(seq($.int, optional(seq('..', $.int))), seq('{', list1($.int), '}')),
    net_option: ($) =>
      choice(
        prec.right(seq('only', list1($.method), optional(list1($._path)))), seq('inject', $.variable), 'inspect',
        'optional', $.net_limit,
      ),
    net_limit: ($) =>
      prec.right(
        choice(
          seq('rate', $.rate, optional(seq('burst', $.int))), seq('quota', $._quantity, optional(choice('up', 'down'))),
          seq('connections', $.int),
        ),
      ),
    method: ($) => choice('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),

    // ---- system calls
    syscall_rule: ($) =>
      prec.right(choice(seq($.action, list1($.syscall_item)), seq('default', $.action), seq('arch', list1($.name)))),
    action: ($) => choice('allow', 'log', 'notify', seq('errno', $.name), 'trap', 'kill'),
    syscall_item: ($) => prec.right(seq(choice($._set, $.numbered), optional($.where), optional($.on))),
    numbered: ($) => prec(2, seq('syscall', '(', $.int, ')')),
    on: ($) => prec.right(seq('on', list1($.name, '|'))),
    _set: ($) => choice($._set_term, $.set_operation),
    set_operation: ($) => prec.left(seq($._set, choice('+', '-', '&'), $._set_term)),
    _set_term: ($) => choice($.group, $.name, alias('syscall', $.name), seq('{', list1($.name), '}'), seq('(', $._set, ')')),
    where: ($) => seq('where', $._condition),
    _condition: ($) => choice($.or, $.and, $.not, $.compare, seq('(', $._condition, ')')),
    or: ($) => prec.left(1, seq($._condition, 'or', $._condition)),
    and: ($) => prec.left(2, seq($._condition, 'and', $._condition)),
    not: ($) => prec(3, seq('not', $._condition)),
    compare: ($) =>
      prec.right(
        seq(
          field('argument', $.name),
          choice(
            seq(choice('==', '!=', '<', '<=', '>', '>='), $._constant),
            seq('in', choice(seq('{', list1($._constant), '}'), seq($.int, '..', $.int))),
            seq('has', choice('any', 'all', 'only'), list1($._constant, '|')),
          ),
        ),
      ),
    _constant: ($) => choice($.int, $.name),

    // ---- limits, environment, command
    limit: ($) => seq(field('name', $.name), choice($._quantity, 'unlimited')),
    env_rule: ($) =>
      choice(
        seq('pass', list1($.env_name)), seq('set', $.env_name, '=', $._value),
        seq('secret', $.env_name, 'from', $.variable),
      ),
    // What else is a token of its own and has the form of a variable's name is one, too.
    env_name: ($) => choice($._env_word, $.env_pattern, $.method, $.code),
    exec_rule: ($) =>
      prec.right(
        choice(
          seq('command', repeat1($.string)), seq('user', $._constant), seq('cwd', $._path),
          seq('tty', choice('none', 'private', $.name)), seq('hostname', $.string),
        ),
      ),
    setting: ($) => seq(field('name', $.name), $._constant),

    // ---- tools
    tool: ($) =>
      prec.right(
        seq(
          'tool', field('name', $.name), '(', list0($.tool_param), ')', optional(seq('->', $.type)),
          optional(block(documented($, $.tool_option))),
        ),
      ),
    tool_param: ($) =>
      seq(field('name', $.name), optional('?'), ':', $.type, optional(seq('=', $._value))),
    tool_option: ($) =>
      choice(
        prec.right(seq('rate', $.rate, optional(seq('burst', $.int)))),
        seq('quota', $.int), seq('timeout', $._quantity), seq('concurrency', $.int),
        seq('result', $._quantity), 'confirm',
        prec.right(seq('exec', repeat1(choice($.string, $.variable)))), seq('stdin', $.variable),
        seq('in', $.reference), 'shim', seq('log', choice('args', 'none')),
      ),

    // ---- claims
    test: ($) => seq('test', $.string, 'for', $.reference, block(documented($, $.claim))),
    claim: ($) =>
      prec.right(
        choice(
          seq(choice('allow', 'deny'), $.probe, optional(choice(seq('by', $.code), seq('because', $.string)))),
          seq('never', $.probe),
          seq('narrower', 'than', $.qname),
        ),
      ),
    probe: ($) =>
      prec.right(
        choice(
          seq('open', $._path, 'for', choice('read', 'write', 'create', 'run')),
          seq('connect', $.endpoint),
          prec.right(seq('request', $.method, $.endpoint, optional($._path))),
          seq('listen', $._published),
          seq('syscall', choice($.name, $.group, $.numbered), optional($.args), optional($.on)),
          seq('call', $.name, $.args),
          seq('env', $.env_name),
        ),
      ),

    // ---- types and values
    type: ($) =>
      prec.right(
        choice(
          seq(choice($.name, alias('list', $.name)), optional($.refinements)),
          prec(2, seq('list', '<', $.type, '>', optional($.refinements))),
          seq('{', list1($.tool_param), '}'),
          seq($.string, repeat1(seq('|', $.string))),
        ),
      ),
    refinements: ($) => seq('(', list1($._refinement), ')'),
    _refinement: ($) =>
      choice(
        seq($.int, '..', $.int), $.regex, seq('under', $._path), seq('in', '{', list1($._value), '}'),
      ),
    _value: ($) => choice($.string, $._quantity, $.path, $.address, $.flags, $.name, $.list),
    flags: ($) => seq($._constant, repeat1(seq('|', $._constant))),
    list: ($) => seq('[', list0($._value), ']'),
    _quantity: ($) => choice($.int, $.size, $.duration, $.rate, $.percent, $._variable),
    _path: ($) => choice($.path, $._variable, $.string, $.group),
    _variable: ($) => seq($.variable, optional($.below)),
    qname: ($) => prec.right(seq($.name, repeat(seq('.', $.name)))),

    // A word is a name wherever no keyword is wanted; these are names although one could be wanted too.
    name: ($) => $.word,

    // ---- tokens
    word: ($) => /[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*/,
    _env_word: ($) => /[A-Z][A-Z0-9_]*/,
    env_pattern: ($) => /[A-Z][A-Z0-9_]*\*/,
    code: ($) => token(prec(1, /MSB[0-9]{4}/)),
    group: ($) => /@[a-z][a-z0-9]*([.-][a-z0-9]+)*/,
    variable: ($) => /\$[a-z_][a-z0-9_]*/,
    below: ($) => token.immediate(/\/[A-Za-z0-9._+@%=~*?\/-]*/),
    path: ($) => /(~|\.{1,2}|\*\*)?\/[A-Za-z0-9._+@%=~*?\/-]*/,
    string: ($) => /"([^"\\\n]|\\["\\ntr]|\\u\{[0-9A-Fa-f]{1,6}\})*"/,
    regex: ($) => /r"([^"\\\n]|\\.)*"/,
    int: ($) => token(choice(/0x[0-9A-Fa-f_]+/, /0|[1-9][0-9_]*/)),
    size: ($) => /[0-9][0-9_]*(\.[0-9][0-9_]*)?(KiB|MiB|GiB|TiB|KB|MB|GB|TB|B)/,
    duration: ($) => /[0-9][0-9_]*(ms|us|s|min|h|d)([0-9]+(ms|us|s|min|h|d))*/,
    rate: ($) => /[0-9][0-9_]*\/(s|min|h|d)/,
    percent: ($) => /[0-9][0-9_]*%/,
    address: ($) =>
      token(
        choice(
          prec(1, new RegExp(`${octet}(\\.${octet}){3}(/([0-9]|[12][0-9]|3[0-2]))?`)),
          /\[[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\](\/[0-9]{1,3})?/,
        ),
      ),
    doc: ($) => token(prec(1, new RegExp(`##${visible}*`))),
    comment: ($) => token(new RegExp(`#(${visible.replace('[^', '[^#')}${visible}*)?`)),
  },
});
