//! Takes a transcript apart and compares what was printed with what it shows.

/// A command and what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Shell text.
    pub command: String,
    /// The lines up to the next command.
    pub expected: String,
}

/// The steps of a `console` block; a command goes on over lines that end in `\`.
///
/// # Errors
/// When the block does not begin with a command: nothing would print those lines.
pub fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut found: Vec<Step> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut command = command.to_owned();
            while command.ends_with('\\') {
                command.push('\n');
                command.push_str(lines.next().ok_or("a command ends in `\\`")?);
            }
            found.push(Step { command, expected: String::new() });
        } else {
            let step = found.last_mut().ok_or_else(|| format!("`{line}` stands before the first command"))?;
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    if found.is_empty() { Err("no command".to_owned()) } else { Ok(found) }
}

/// Whether `actual` is what `expected` shows: a line `...` stands for any lines, `...` in a line for any text.
#[must_use]
pub fn matches(expected: &str, actual: &str) -> bool {
    let expected: Vec<&str> = expected.lines().map(str::trim_end).collect();
    let actual: Vec<&str> = actual.lines().map(str::trim_end).collect();
    lines_match(&expected, &actual)
}

fn lines_match(expected: &[&str], actual: &[&str]) -> bool {
    match expected {
        [] => actual.is_empty(),
        ["...", rest @ ..] => (0..=actual.len()).any(|skipped| lines_match(rest, &actual[skipped..])),
        [line, rest @ ..] => {
            actual.first().is_some_and(|first| line_matches(line, first)) && lines_match(rest, &actual[1..])
        }
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    let Some((before, after)) = expected.split_once("...") else { return expected == actual };
    let Some(rest) = actual.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| line_matches(after, &rest[at..]))
}

#[cfg(test)]
mod tests;
